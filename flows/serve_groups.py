"""`variants serve-groups`: says over HTTP which group a new product would join."""

import logging
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from flows.catalogue.corrections import read_locks
from flows.catalogue.embedder import Embedder, embedder
from flows.catalogue.embeddings import MODEL, kept_embeddings
from flows.catalogue.places import store_of
from flows.groups import find
from flows.local.listening import Server, length_refusal, listening
from flows.local.project import Project
from flows.local.scratch import scratch
from ml.catalogue.assignment import Assigner
from ml.catalogue.locks import standing_locks
from ml.core.errors import UserError
from ml.data.schema import UNKNOWN
from ml.serve.limits import Limits
from ml.snapshot.folding import fold

Text = Annotated[str, Field(max_length=500)]


class Question(BaseModel):
    """A product that is asked about.

    Attributes:
        image: base64 of the picture's file.
        brand, gender, article_type: its block; null: not known.
    """

    model_config = ConfigDict(extra="forbid")

    image: str
    brand: Text | None
    gender: Text | None
    article_type: Text | None


def assignment_app(assigner: Assigner, model: Embedder, limits: Limits) -> FastAPI:
    """Returns the application: POST /assign, GET /health.

    Args:
        limits: of requests; larger ones are refused before they are read.
    """
    facts = assigner.version.facts
    about = {name: facts[name] for name in ("catalogue", "number", "model")}
    app = FastAPI(title="Groups of colour variants", docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def refuse_large(request: Request, answer: Callable[[Request], Any]) -> Any:
        most = 4 * (limits.picture_bytes // 3 + 1) + 10_000
        words = length_refusal(request.headers, most)
        if request.method == "POST" and words:
            return _refusal(413, words)
        return await answer(request)

    @app.exception_handler(RequestValidationError)
    async def explain(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3]]
        return _refusal(422, "; ".join(faults)[:500])

    @app.get("/health")
    def health() -> Any:
        """Says that it answers, and by which version of the groups."""
        return (
            about if model.alive() else _refusal(503, "the model's process has ended: restart me")
        )

    @app.post("/assign")
    def assign(asked: Question) -> Any:
        """Returns the group that the product would join, and the nearest products."""
        brand, gender, article_type = (  # as an import spells them
            fold(one or "") or UNKNOWN for one in (asked.brand, asked.gender, asked.article_type)
        )
        try:
            found = assigner.assign(
                model.embed(asked.image, article_type), (brand, gender, article_type)
            )
        except UserError as error:
            return _refusal(422, str(error))
        except RuntimeError:
            logging.getLogger(__name__).exception("a request failed")
            return _refusal(500, "the server failed at this request; its log says why")
        nearest = [one._asdict() for one in found.nearest]
        return {"group": found.group, "probability": found.probability, "nearest": nearest} | about

    return app


def serve_groups(project: Project, catalogue: str, port: int, say: Callable[[str], None]) -> None:
    """Serves the newest groups of a catalogue on loopback, until it is interrupted.

    Args:
        port: 0: any free one.
        say: called with the address.

    Raises:
        UserError: there is no such catalogue, its model cannot be used, or the port is taken.
    """
    store = store_of(project)
    version = find(store, catalogue)
    locks = standing_locks(read_locks(store, catalogue))["product_id"].tolist()
    with scratch(project, "assign") as folder, listening(port) as listener:
        kept = kept_embeddings(project, store, version.facts["model"], version.products, folder)
        if kept.grouper.files != version.facts["model_files"]:
            raise UserError(
                f"{version.facts['model']} is not the model any more that made version "
                f"{version.number} of {catalogue}: run `variants group` again"
            )
        kept.embeddings[np.zeros(0, int)]  # reads them from the store before anybody waits for it
        with embedder(project, folder / MODEL) as model:
            assigner = Assigner(version, kept.embeddings, kept.grouper, locks)
            app = assignment_app(assigner, model, Limits())
            say(f"http://127.0.0.1:{listener.getsockname()[1]}/assign")
            config = uvicorn.Config(app, log_level="warning", access_log=False)
            Server(config).run(sockets=[listener])


def _refusal(status: int, words: str) -> JSONResponse:
    return JSONResponse({"error": words}, status)
