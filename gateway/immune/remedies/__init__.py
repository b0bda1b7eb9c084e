"""How agents are healed, one treatment a file; the mildest first."""

from gateway.immune.remedies.cap_output import CAP_OUTPUT
from gateway.immune.remedies.control_agent import CONTROL_AGENT
from gateway.immune.remedies.narrow_tools import NARROW_TOOLS
from gateway.immune.remedies.reduce_autonomy import REDUCE_AUTONOMY
from gateway.immune.remedies.reset_agent import RESET_AGENT
from gateway.immune.remedies.reset_memory import RESET_MEMORY
from gateway.immune.remedies.restart_container import RESTART_CONTAINER
from gateway.immune.remedies.revoke_tools import REVOKE_TOOLS
from gateway.immune.remedies.rollback_prompt import ROLLBACK_PROMPT
from gateway.immune.remedies.swap_model import SWAP_MODEL
from gateway.immune.remedies.throttle import THROTTLE
from gateway.immune.remedy import Remedy

REMEDIES: tuple[Remedy, ...] = (
    CAP_OUTPUT,
    THROTTLE,
    RESET_MEMORY,
    ROLLBACK_PROMPT,
    SWAP_MODEL,
    REVOKE_TOOLS,
    NARROW_TOOLS,
    REDUCE_AUTONOMY,
    RESET_AGENT,
    CONTROL_AGENT,
    RESTART_CONTAINER,
)
