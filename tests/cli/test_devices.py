"""What JAX says of devices that do not start: nothing to whom it does not matter, one line to whom it does."""

import logging

import pytest

from pumpleak.cli import devices


@pytest.fixture
def failing(monkeypatch):
    """Logs as JAX does where the wheel for CUDA is installed and there is no GPU."""

    def load(*_, **__):
        log = logging.getLogger("jax._src.xla_bridge")
        try:
            raise RuntimeError("cuInit(0) failed:\nno CUDA-capable device is detected")
        except RuntimeError:
            log.exception("Jax plugin configuration error: Exception when calling %s.initialize()", "cuda")
        log.warning("another matter")
        raise SystemExit(0)

    monkeypatch.setattr("pumpleak.config.load.load_problem", load)
    monkeypatch.setattr("pumpleak.batch.infer.infer_batch", load)
    monkeypatch.setattr(logging, "raiseExceptions", True)


def test_a_plugin_without_its_device_is_silent(cli, failing, caplog, monkeypatch):
    monkeypatch.setattr(devices, "_has_gpu", lambda: False)
    ran = cli("check", "c.yaml")
    assert "plugin" not in ran.err + ran.out and "Traceback" not in ran.err
    assert [r.getMessage() for r in caplog.records] == ["another matter"]


@pytest.mark.parametrize(
    "there, words",
    [(True, ("check", "c.yaml")), (False, ("batch", "c.yaml", "--device", "gpu"))],
)
def test_one_who_has_or_asks_for_a_gpu_is_told(cli, failing, monkeypatch, there, words):
    monkeypatch.setattr(devices, "_has_gpu", lambda: there)
    ran = cli(*words)
    said = [line for line in ran.err.splitlines() if "device" in line]
    assert len(said) == 1, ran.err
    assert "no CUDA-capable device is detected" in said[0] and "RuntimeError" in said[0]
    assert "Traceback" not in ran.err
    cli("check", "c.yaml")  # the next command begins anew
    filters = logging.getLogger("jax._src.xla_bridge").filters
    assert [f.asked for f in filters if isinstance(f, devices._OneLine)] == [False]


@pytest.mark.parametrize("error", [RuntimeError("Unable to initialize backend 'cuda'."), AssertionError()])
def test_a_platform_that_is_not_there_is_one_line(cli, monkeypatch, error):
    def fails(*_):
        raise error

    monkeypatch.setattr("pumpleak.config.load.load_problem", fails)
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    with monkeypatch.context() as m:
        m.setattr("jax.devices", fails)
        ran = cli("check", "c.yaml")
    assert ran.code == 2 and ran.err.startswith("JAX_PLATFORMS=cuda asks for what JAX cannot start here")
    assert "set it to cpu" in ran.err and len(ran.err.splitlines()) == 1
    with pytest.raises(type(error)):  # an error of ours is no matter of devices
        cli("check", "c.yaml")
