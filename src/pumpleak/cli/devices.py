"""What JAX says of devices that it cannot use, in one line, to whom it matters."""

import logging
import os
import sys
from pathlib import Path

from .terminal import complain

_LOG = "jax._src.xla_bridge"


class _OneLine(logging.Filter):
    """Takes the place of the traceback that a GPU's plugin ends in on a machine without a GPU.

    Attributes:
        asked: whether a GPU was asked for; then, and where there is one, the reason is told.
    """

    asked = False

    def filter(self, record: logging.LogRecord) -> bool:
        if "plugin configuration error" not in str(record.msg).lower():
            return True
        error = record.exc_info[1] if record.exc_info else None
        if self.asked or _has_gpu():
            why = f"{type(error).__name__}: {error}" if error else record.getMessage()
            complain(
                f"Warning: a device cannot be used, for its part of JAX does not start ({why}).", "yellow"
            )
        return False


def _has_gpu() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*"))


def quiet_devices() -> None:
    """Have JAX say in one line which device does not start, and nothing where nobody has or wants one."""
    log = logging.getLogger(_LOG)
    for earlier in [f for f in log.filters if isinstance(f, _OneLine)]:
        log.removeFilter(earlier)
    log.addFilter(_OneLine())


def choose_device(device: str) -> None:
    """Have JAX start on this device, if it has not started yet; whether it can is looked at later."""
    if device == "cpu" and "jax" not in sys.modules:
        os.environ["JAX_PLATFORMS"] = "cpu"
    for one in logging.getLogger(_LOG).filters:
        if isinstance(one, _OneLine):
            one.asked = device == "gpu"


def cannot_start() -> str | None:
    """What to say where JAX does not find the devices that the environment asks for; None where it does."""
    asked, jax = os.environ.get("JAX_PLATFORMS"), sys.modules.get("jax")
    if not asked or jax is None:
        return None
    try:
        jax.devices()
        return None
    except Exception as error:
        why = f" ({str(error).rstrip('.')})" if str(error) else ""
    return (
        f"JAX_PLATFORMS={asked} asks for what JAX cannot start here{why}."
        " Unset it, or set it to cpu; for a GPU, install JAX for it (`uv run --extra cuda …`) and check the driver."
    )
