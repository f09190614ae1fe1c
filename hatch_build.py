"""Compiles the native hashing core while the package is built. Without a compiler the package has none."""

from __future__ import annotations

import os
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_MODULE: Final = "aioglacier.core.native"
_FOLDER: Final = Path("aioglacier", "core")


class NativeCore(BuildHookInterface):
    """Adds the compiled core to a wheel, or lays it beside its source for an editable installation.

    With ``AIOGLACIER_PURE=1`` in the environment a wheel has no core and fits every platform.
    """

    _folder: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, if that can be."""
        is_pure = version == "standard" and os.environ.get("AIOGLACIER_PURE") == "1"
        if self.target_name != "wheel" or is_pure:
            return
        self._folder = Path(tempfile.mkdtemp())
        library = self._compile()
        if version == "editable":
            self._lay_beside_source(library)
        elif library is not None:
            build_data["force_include"][str(library)] = str(_FOLDER / library.name)
        if library is not None:
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{platform}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled, which is in the wheel by now."""
        del version, build_data, artifact_path
        if self._folder is not None:
            shutil.rmtree(self._folder)

    def _compile(self) -> Path | None:
        try:
            from setuptools import Distribution, Extension  # noqa: PLC0415  # knows every system's compiler

            source = str(Path(self.root, _FOLDER, "native.c"))
            extension = Extension(
                _MODULE, [source], define_macros=[("Py_LIMITED_API", "0x030B0000")], py_limited_api=True
            )
            command: Any = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
            command.build_lib = command.build_temp = str(self._folder)
            command.ensure_finalized()
            command.run()
            return Path(command.get_ext_fullpath(_MODULE))
        except Exception as error:  # noqa: BLE001  # whatever it is, hashlib does the same work
            self.app.display_warning(f"the native hashing core is left out, hashlib takes its place: {error}")
            return None

    def _lay_beside_source(self, library: Path | None) -> None:
        folder = Path(self.root, _FOLDER)
        for old in [*folder.glob("native*.so"), *folder.glob("native*.pyd")]:
            if library is None or old.name != library.name:
                old.unlink()
        if library is not None:
            new = shutil.copy2(library, folder / f"{library.name}.new")
            Path(new).replace(folder / library.name)  # at once: a running program may have the old one loaded
