"""Every number of detection in one place, each with its reason. Logarithms are natural.

"data": chosen on real agent calls (`tests/immune/data`), on the agents that the tests name as tuned on.
"""

from math import log
from typing import Literal

from gateway.immune.finding import FindingType
from gateway.model.value import value

Name = Literal["latency", "ttft", "output", "input_first", "input_growth", "cost", "tools"]


@value
class Metric:
    """How one number of an exchange is judged.

    offset: c of ln(x + c), in the number's own unit: what is too small to matter.
    z: one value this many σ off is an alarm.
    slack, most, cusum: the sum of (σ − slack), where one value counts at most `most`, is an alarm above `cusum`.
    effect: how far (ln of a ratio) the value must be off as well, in the mean with the `span` − 1 before it.
    down: falling is as suspicious as rising.
    """

    name: Name
    finding: FindingType
    offset: float
    z: float
    cusum: float
    effect: float
    slack: float = 1.0
    most: float = 4.0
    span: int = 3
    down: bool = False


METRICS: tuple[Metric, ...] = (
    # Milliseconds; see LENGTH. Times have a long tail upward, so the sum decides and takes little of one call; its
    # small slack finds ×3 where the spread itself is ×2.4. Data: below ×2 is what providers do by themselves.
    Metric("latency", "latency_spike", 50.0, 4.3, 6.0, log(2.0), slack=0.5, most=3.0),
    Metric("ttft", "latency_spike", 50.0, 4.3, 6.0, log(2.0), slack=0.5, most=3.0),
    # Tokens; an answer of 20 or of none is the same. Data: wider than normal theory, answers come in kinds.
    Metric("output", "output_token_spike", 20.0, 5.5, 6.4, log(1.5), down=True),
    Metric("input_first", "input_token_spike", 1.0, 5.0, 5.9, log(2.0)),
    # The ratio to the call before: a step is one value, so the effect is that value's and a sum finds nothing more.
    Metric("input_growth", "input_token_spike", 1.0, 4.5, 5.9, log(2.0), span=1),
    Metric("cost", "cost_spike", 1e-5, 5.0, 5.9, log(2.0)),
    # Calls of one answer; with 2, one call beside none is no event, ten are. Data: up to 7 come by themselves.
    Metric("tools", "tool_explosion", 2.0, 6.0, 5.9, log(1.5)),
)

LENGTH, LENGTH_OFFSET = 0.7, 30.0
"""Latency is judged as ln(ms + c) − LENGTH × ln(output tokens + LENGTH_OFFSET): long answers take longer, though less
than in proportion. Data: regressions give 0.56 to 0.76 on gpt-4.1 and a local model; the spread falls by a third."""

ALPHA = 0.03  # EWMA: about 66 calls of memory; with it, ARL0 is 500 at 2.437 σ
FLOOR = 0.20  # least sd of ln x: 22 % up or down is never remarkable, whatever a constant past says
CLIP = 2.5  # sd: what one call may move the baseline by (Huber)
CLIPPED_VARIANCE = 1.02  # a normal clipped there has 1/1.023 of its variance; 1.05 made P(z > 3) 1.13e-3
EARLY = 15  # calls from which a first score is worth something
EARLY_T = 6.5  # raw sd, while fewer than WARM_CALLS are known: 5 sd of 15 values happen by chance
WARM_CALLS, WARM_CONVERSATIONS, WARM_ANYWAY = 30, 5, 200  # one long conversation is not an agent's whole life
SMALL_SAMPLE = 1.0  # variance × (1 + this / n): clipping takes more from few values; P(z > 3) from 1.7e-3 to 1.4e-3
SAMPLE = 32  # values kept of the warm-up; when full, every other one goes
OUTLIER = 3 * 1.4826  # × the median absolute deviation: a sane value of the warm-up
BOOST, BOOSTED_CALLS = 4.0, 30  # × ALPHA after healing, when the agent may honestly be another

DRIFT_SECONDS = 7 * 86_400.0  # age of the second reference
DRIFT = log(3.0)  # how far the baseline may be above it: slow poisoning goes further than honest change
DRIFT_AGAIN = log(2.5)  # below this it is over, and told again when it comes back

RATE_LEAST, RATE_BAD, RATE_WORSE = 0.02, 0.25, 5.0  # p0 is at least the first; p1 = max(second, third × p0)
RATE_BAD_MOST = 0.95  # p1, for an agent that fails often anyway
RATE_LIMIT = 9.2  # about 4 in a row at p0 = 0.02; ln of some 10,000 calls between false alarms
RATE_PRIOR = 20.0  # calls that a new agent is taken to have made, one of them bad
RATE_KEPT = 1000.0  # calls; when there are more, all counts are halved, so that the past fades

FORMS_KEPT = 8  # prompts, tool sets, or models of one agent that are known at a time
FORMS_WARM = 3  # more than these in the warm-up: `volatile`, the agent has no one form
LOOPS, LOOPS_OF = 3, 10  # so many of the latest conversations with a loop; at 1 % in normal ones, 1e-4 by chance
VOICES_KEPT = 7  # prompts of one agent that are clearly others: itself and its helpers; all further ones are one
VOICES_WARM = 7  # more than these in the warm-up: it has no one form in this either
VOICE_LIKE = (
    0.3  # of two prompts, from where on they are one: of 24 slots, 3 % of those at 0.5 are below, 5e-3 of 0.1 above
)
VOICE_FORGOTTEN = 1000  # calls of the agent for which a voice was silent, so that another one may have its place
VOICE_PROMPTS = 12  # latest prompts whose voice is known without comparing
FORM_USES = 2  # an unseen form seen once may be a slip; used again, it is a change

MODELS_KEPT = 8  # models, and voices with them, of one agent with baselines; the one unused for longest goes
CONVERSATIONS_KEPT = 48  # conversations at a time whose latest input size is known
NAME_KEPT = 40  # characters; of longer names a hash
"""With these, the state of an agent stays below 20 KiB."""

CAP_Z, CAP_RATIO = 8.0, 4.0  # an answer in flight is cut this many σ above the usual, and not below this many times it
CAP_TOKENS, CAP_SECONDS, CAP_TOOLS = 16_384, 600.0, 50
"""And never below these: one long ordinary answer, a whole file or a report, from a slow model (27 tokens/s). See
`caps`: a wrong cut destroys an answer, so it must be further off than anything that is only a finding."""
