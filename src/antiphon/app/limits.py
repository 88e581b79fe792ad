"""Settings become quotas and a ledger: what may be used, and where it is counted and written."""

import time

from antiphon.config import Loaded, QuotaSettings, usage_file
from antiphon.runtime.counters import Counters, open_storage
from antiphon.runtime.ledger import UsageLedger
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
    counters = Counters(open_storage(limits.storage), time.time)
    usage = settings.usage
    ledger = UsageLedger(usage_file(usage), usage.keep_days) if usage.ledger else None
    return Admission.of(policy, counters, ledger)


def _over(own: QuotaSettings, general: QuotaSettings) -> QuotaSettings:
    """Return a key's own limits, and the general ones where it has none."""
    return QuotaSettings(
        requests=own.requests or general.requests,
        tokens=own.tokens or general.tokens,
        sessions=own.sessions or general.sessions,
    )


def _limits(quotas: QuotaSettings) -> Limits:
    return Limits.parse(quotas.requests, quotas.tokens, quotas.sessions)
