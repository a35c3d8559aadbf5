"""Zarr's store of an address: a request that fails raises UnavailableError, also where an array is read much later."""

from collections.abc import AsyncIterator
from typing import Any

from zarr.storage import FsspecStore

from analysis._places import reaching


class Reached(FsspecStore):
    """A store in which what cannot be reached is told in one line."""

    async def get(self, key: str, *arguments: Any, **options: Any) -> Any:
        """Return what an object holds, or None if there is no such object."""
        with reaching(self._named(key)):
            return await super().get(key, *arguments, **options)

    async def set(self, key: str, *arguments: Any, **options: Any) -> None:
        """Write an object."""
        with reaching(self._named(key)):
            await super().set(key, *arguments, **options)

    async def exists(self, key: str) -> bool:
        """Whether there is an object."""
        with reaching(self._named(key)):
            return await super().exists(key)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield what lies directly below a name."""
        with reaching(self._named(prefix)):
            async for name in super().list_dir(prefix):
                yield name

    def _named(self, key: str) -> str:
        return str(self.fs.unstrip_protocol(f"{self.path}/{key}".strip("/")))
