"""Prefetching: a thread reads and copies the next batch while the network computes this one."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

from ml.train.batches import Batch


def prefetch(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Yields the batches in order, on the device.

    On a GPU a thread reads the next batch and copies it from pinned memory on a stream of its own
    (double buffering), so that no step waits for reading or copying. On the CPU there is nothing to
    copy, and a thread would take cores from the network.
    """
    if device.type != "cuda":
        yield from batches
        return
    source, copies = iter(batches), torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def fetch() -> tuple[Batch, torch.cuda.Event] | None:
        batch = next(source, None)
        if batch is None:
            return None
        with torch.cuda.stream(copies):
            moved = Batch(*(part.pin_memory().to(device, non_blocking=True) for part in batch))
            return moved, copies.record_event()

    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(fetch)
        while (found := coming.result()) is not None:
            coming = thread.submit(fetch)
            batch, copied = found
            current = torch.cuda.current_stream(device)
            current.wait_event(copied)
            for part in batch:
                # The next copy may use this memory only after the step has read it.
                part.record_stream(current)
            yield batch
