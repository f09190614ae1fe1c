"""Compiles the native modules while the package is built. Without a compiler the package has none."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: The modules in C, and what takes the place of one that is not compiled.
_MODULES: Final = {
    "aioglacier.core.native": "hashlib",
    **({"aioglacier.files.native_files": "Python"} if sys.platform != "win32" else {}),
}


class NativeModules(BuildHookInterface):
    """Adds the compiled modules to a wheel, or lays them beside their sources for an editable installation.

    With ``AIOGLACIER_PURE=1`` in the environment a wheel has none and fits every platform.
    """

    _folder: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, if that can be."""
        is_pure = version == "standard" and os.environ.get("AIOGLACIER_PURE") == "1"
        if self.target_name != "wheel" or is_pure:
            return
        self._folder = Path(tempfile.mkdtemp())
        is_any = False
        for module, substitute in _MODULES.items():
            library = self._compile(module, substitute)
            if version == "editable":
                self._lay_beside_source(module, library)
            elif library is not None:
                build_data["force_include"][str(library)] = str(_folder_of(module) / library.name)
            is_any = is_any or library is not None
        if is_any:
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{platform}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled, which is in the wheel by now."""
        del version, build_data, artifact_path
        if self._folder is not None:
            shutil.rmtree(self._folder)

    def _compile(self, module: str, substitute: str) -> Path | None:
        try:
            from setuptools import Distribution, Extension  # noqa: PLC0415  # knows every system's compiler

            source = str(Path(self.root, *module.split(".")).with_suffix(".c"))
            extension = Extension(
                module, [source], define_macros=[("Py_LIMITED_API", "0x030B0000")], py_limited_api=True
            )
            command: Any = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
            command.build_lib = command.build_temp = str(self._folder)
            command.ensure_finalized()
            command.run()
            return Path(command.get_ext_fullpath(module))
        except Exception as error:  # noqa: BLE001  # whatever it is, the substitute does the same work
            self.app.display_warning(f"{module} is left out, {substitute} takes its place: {error}")
            return None

    def _lay_beside_source(self, module: str, library: Path | None) -> None:
        folder, name = Path(self.root, _folder_of(module)), module.rpartition(".")[2]
        for old in [*folder.glob(f"{name}.*so"), *folder.glob(f"{name}.*pyd")]:
            if library is None or old.name != library.name:
                old.unlink()
        if library is not None:
            new = shutil.copy2(library, folder / f"{library.name}.new")
            Path(new).replace(folder / library.name)  # at once: a running program may have the old one loaded


def _folder_of(module: str) -> Path:
    return Path(*module.split(".")[:-1])
