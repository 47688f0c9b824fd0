"""The computation: shop → snapshot → validate → prepare → train → embed → evaluate.

Nothing here imports Prefect, MLflow or DVC.
"""
