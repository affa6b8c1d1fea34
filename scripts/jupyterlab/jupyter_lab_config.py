"""Settings of JupyterLab for `make lab` and `make play`; they travel with the course and leave your own unchanged.

`labconfig/default_setting_overrides.json` holds the defaults of its user interface, `workspace.json` its first layout.
"""

import os
import shutil
from pathlib import Path

from ipykernel.ipkernel import IPythonKernel
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, get_kernel_spec
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
WORKSPACES = Path(os.environ.get("JUPYTERLAB_WORKSPACES_DIR") or PROJECT / ".cache" / "jupyterlab")


class KnownKernel(AsyncLargeFileManager):
    """Give each notebook the description of the kernel that it is going to have.

    JupyterLab writes the kernel's name and Python's version into a notebook as it opens, and marks it as changed. The
    notebooks in git hold neither, so that they are the same on every machine.
    """

    async def get(self, path, content=True, **options):
        model = await super().get(path, content=content, **options)
        if model["type"] == "notebook" and model["content"] is not None:
            metadata = model["content"]["metadata"]
            if metadata.get("kernelspec", {}).get("name") == NATIVE_KERNEL_NAME:
                spec = get_kernel_spec(NATIVE_KERNEL_NAME)
                metadata["kernelspec"].update(display_name=spec.display_name, language=spec.language)
                metadata["language_info"] = dict(IPythonKernel.language_info)
        return model


WORKSPACES.mkdir(parents=True, exist_ok=True)
first = WORKSPACES / "default-37a8.jupyterlab-workspace"  # JupyterLab's name for the workspace of /lab
if not first.exists():
    shutil.copyfile(HERE / "workspace.json", first)

c = get_config()  # noqa: F821 (defined by Jupyter)
c.ServerApp.contents_manager_class = KnownKernel
c.ServerApp.root_dir = str(PROJECT)
c.LabApp.default_url = "/lab/tree/notebooks/00_play.ipynb"
c.LabApp.workspaces_dir = str(WORKSPACES)
