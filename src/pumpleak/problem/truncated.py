"""The one distribution NumPyro lacks here: a lognormal between two bounds."""

import jax.numpy as jnp
import numpyro.distributions as dist
from numpyro.distributions import constraints


class TruncatedLogNormal(dist.Distribution):
    """exp of a truncated normal; unlike a TransformedDistribution it knows its own bounds."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    reparametrized_params = ["loc", "scale", "low", "high"]
    pytree_data_fields = ("loc", "scale", "low", "high", "_log")

    def __init__(self, loc, scale, low=None, high=None, *, validate_args=None):
        self.loc, self.scale, self.low, self.high = loc, scale, low, high
        bounds = {k: jnp.log(v) for k, v in (("low", low), ("high", high)) if v is not None}
        self._log = dist.TruncatedNormal(loc, scale, **bounds)
        super().__init__(self._log.batch_shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        if self.high is None:
            return constraints.greater_than(self.low)
        return constraints.interval(0.0 if self.low is None else self.low, self.high)

    def sample(self, key, sample_shape=()):
        return jnp.exp(self._log.sample(key, sample_shape))

    def icdf(self, q):
        return jnp.exp(self._log.icdf(q))

    def log_prob(self, value):
        log = jnp.log(value)
        return self._log.log_prob(log) - log
