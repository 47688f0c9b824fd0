"""What is computed: shop → snapshot → validate → prepare → train → embed → evaluate. No Prefect, MLflow or DVC here."""
