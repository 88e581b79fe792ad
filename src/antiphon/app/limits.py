"""Settings become quotas: what each key and each deployment may use, and where that is counted."""

import time

from antiphon.config import Loaded, QuotaSettings
from antiphon.runtime.counters import Counters, open_storage
from antiphon.runtime.quotas import Limits, Policy
from antiphon.web.admission import Admission


def admission(loaded: Loaded) -> Admission:
    """Return who may come in, as the settings say. They have been checked."""
    settings = loaded.settings
    limits = settings.limits
    policy = Policy(
        each_key=_limits(limits),
        keys={name: _limits(_over(each, limits)) for name, each in limits.keys.items()},
        deployments={name: _limits(each.limits) for name, each in settings.deployments.items()},
    )
    return Admission.of(policy, Counters(open_storage(limits.storage), time.time))


def _over(own: QuotaSettings, general: QuotaSettings) -> QuotaSettings:
    """Return a key's own limits, and the general ones where it has none."""
    return QuotaSettings(
        requests=own.requests or general.requests,
        tokens=own.tokens or general.tokens,
        sessions=own.sessions or general.sessions,
    )


def _limits(quotas: QuotaSettings) -> Limits:
    return Limits.parse(quotas.requests, quotas.tokens, quotas.sessions)
