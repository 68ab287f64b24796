"""Programs that are traced once and kept: what they are kept by, and that what is kept computes the same."""

import os
import subprocess
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pumpleak import load_preset, lognormal, make_problem, normal, read_table, steady_state
from pumpleak import traced as module
from pumpleak.engines.modes import Mode, find_modes, trial_points
from pumpleak.traced import keep, program


class Shelf(dict):
    """A store in memory."""

    def put(self, name, content):
        self[name] = content


@pytest.fixture
def shelf():
    with jax.enable_x64(True):
        shelf = Shelf()
        keep(shelf)
        yield shelf
        keep(None)


@pytest.fixture
def no_tracing(monkeypatch):
    def refuse(*_):
        raise AssertionError("it is traced again")

    return lambda: monkeypatch.setattr(jax.export, "export", refuse)


def problem_with(K_o=(5.0, 20.0), prior=None, **known):
    import pandas as pd

    table = read_table(pd.DataFrame({"K_o_mM": K_o, "Na_o_mM": [145.0, 130.0], "V_m_mV": [-70.0, -45.0]}))
    given = {"T": 295.0, "K_i": 140.0, "Na_i": 12.0, "sigma_V_m": 1.0} | known
    return make_problem(table, given | {"P_Na_rel": prior or lognormal(0.05, 3)})


def told(function, *args):
    return module._told(function, module._settings(), args=args)


def test_the_second_run_reads_what_the_first_traced(shelf, no_tracing, assert_close):
    u = jnp.array([[0.1], [-0.4]])
    first = program(jax.vmap(problem_with().potential))(u)
    assert len(shelf) == 1
    no_tracing()
    again = program(jax.vmap(problem_with().potential))
    np.testing.assert_array_equal(again(u), first)
    np.testing.assert_array_equal(again.lower(u).compile()(u), first)
    assert again.shapes(u).shape == (2,)
    assert_close(np.asarray(first), np.asarray(jax.vmap(problem_with().potential)(u)), rtol=1e-13)


def test_named_tuples_come_back_as_themselves(shelf, no_tracing):
    problem = problem_with()

    def modes():
        return program(lambda a, t: (find_modes(problem, a, t), {"n": 1.0, "none": None}), Mode)

    # A function of this test is foreign code: it is not kept, and gives the same.
    plain = modes()(problem.arrays, trial_points(problem, 1))
    assert not shelf and isinstance(plain[0], Mode)
    kept = [program(find_modes_of(problem), Mode)(problem.arrays, trial_points(problem, 1))]
    no_tracing()
    kept.append(program(find_modes_of(problem), Mode)(problem.arrays, trial_points(problem, 1)))
    for mode in kept:
        assert isinstance(mode, Mode)
        np.testing.assert_allclose(mode.u, plain[0].u, rtol=1e-9)


def find_modes_of(problem):
    from functools import partial

    return partial(find_modes, problem)


def test_what_a_program_depends_on_is_in_its_name(shelf):
    base, u = problem_with(), jnp.zeros((2, 1))
    name = told(jax.vmap(base.potential), u)
    assert (
        told(jax.vmap(problem_with().potential), u + 1.0) == name
    )  # an argument's values are its own affair
    others = {
        "a number of the table": problem_with(K_o=(5.0, 20.000001)),
        "a number of the config": problem_with(K_i=140.0 + 1e-12),
        "a prior's numbers": problem_with(prior=lognormal(0.05, 3.0000001)),
        "a prior's kind": problem_with(prior=normal(0.05, 3, lower=0)),
        "a reading": replace(base, numbers=base.arrays._replace(value=base.arrays.value + [0.0, 1e-9])),
        "the noise": replace(base, noise="student_t"),
        "where values come from": replace(base, slots=dict(reversed([*base.slots.items()]))),
    }
    names = {what: told(jax.vmap(p.potential), u) for what, p in others.items()}
    names["the function"] = told(jax.vmap(base.prior_potential), u)
    names["a transformation"] = told(jax.vmap(jax.grad(base.potential)), u)
    names["an argument's shape"] = told(jax.vmap(base.potential), jnp.zeros((3, 1)))
    names["an argument's type"] = told(jax.vmap(base.potential), jnp.zeros((2, 1), np.float32))
    names["an argument's structure"] = told(jax.vmap(base.potential), (u,))
    with jax.enable_x64(False):
        names["precision"] = told(jax.vmap(base.potential), u)
    assert len({name, *names.values()}) == 1 + len(names)


def test_two_closures_of_one_function_differ():
    from pumpleak.engines.minimise import objective_of

    a, b = (objective_of(problem_with(K_i=x), "ml") for x in (140.0, 141.0))
    assert a.__qualname__ == b.__qualname__ and told(a) != told(b)


@pytest.mark.parametrize("content", [b"", b"[0]\n", b"no JSON\nno program", b"[0]\n" + bytes(400)])
def test_what_cannot_be_read_is_traced_again(content, shelf):
    u = jnp.array([[0.1]])
    first = program(jax.vmap(problem_with().potential))(u)
    (name,) = shelf
    shelf[name] = content
    np.testing.assert_array_equal(program(jax.vmap(problem_with().potential))(u), first)
    assert len(shelf[name]) > 1000


def test_foreign_code_and_what_calls_back_are_never_kept(shelf):
    def own(x):
        return 2 * x

    assert program(own)(3.0) == 6.0 and program(jax.vmap(own))(jnp.ones(2)).tolist() == [2.0, 2.0]
    assert not shelf


def test_within_another_program_it_is_traced_with_it(shelf):
    cell, bath = load_preset("neuron")

    def V_m(K_o):
        return steady_state(cell, bath.change(K_o=K_o)).V_m

    alone = float(V_m(5.0))
    assert shelf  # by itself it is kept
    slope = float(jax.grad(V_m)(5.0))
    h = 1e-3
    assert slope == pytest.approx((float(V_m(5.0 + h)) - float(V_m(5.0 - h))) / (2 * h), rel=1e-5)
    many = jax.jit(jax.vmap(V_m))(jnp.array([5.0, 6.0]))
    assert float(many[0]) == pytest.approx(alone, abs=1e-9)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "command",
    [
        "fit configs/crayfish_muscle.yaml --json",
        "simulate --preset neuron --event t=60s,pump=0 --for 2h --json",
        "steady-state --preset neuron --set K_o_mM=10 --json",
        "sensitivity configs/textbook_resting.yaml --json",
        "predict configs/low_K_ventricle.yaml --json",
    ],
)
def test_a_command_says_the_same_whether_or_not_its_programs_are_kept(command, tmp_path):
    words = [w.replace(",", " ") for w in command.split()]

    def said(**settings):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "PUMPLEAK_"))} | settings
        code = "import sys; from pumpleak.cli.main import main; sys.argv[0] = 'pumpleak'; main()"
        ran = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=env)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    cold, warm = (said(XDG_CACHE_HOME=str(tmp_path)) for _ in range(2))
    assert [*tmp_path.glob("pumpleak/programs-*/traced/*")]
    assert warm == cold
    plain = said(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "plain"))
    same_numbers(warm, plain)


def same_numbers(a, b):
    """Two JSON texts that differ by no more than rounding does."""
    import json

    def walk(x, y):
        if isinstance(x, dict):
            assert x.keys() == y.keys()
            [walk(x[k], y[k]) for k in x]
        elif isinstance(x, list):
            assert len(x) == len(y)
            [walk(p, q) for p, q in zip(x, y, strict=True)]
        elif isinstance(x, float) and isinstance(y, float):
            assert x == pytest.approx(y, rel=1e-6, abs=1e-9, nan_ok=True)
        else:
            assert x == y

    walk(json.loads(a), json.loads(b))
