"""Every key in Redis: its name, its life and its hash tag. No other module spells a key.

A part in braces is the hash tag: keys with the same one lie on the same node of a cluster, and only such keys may be
used by one script.

| key | type | holds | life |
|---|---|---|---|
| `schema` | string | the number of this layout | for ever |
| `probe:{tag}` | string | nothing; written to see whether the node with that tag takes writes | 60 s |
| `stats` | hash | totals over all agents | for ever |
| `agents` | sorted set | agent ids by the time first seen, ms | for ever |
| `agent:{id}` | hash | what is known of one agent | for ever |
| `vitals:{id}` | stream | the vitals of an agent's exchanges | the last 1,000, 7 days (`GATEWAY_RETENTION`) |
| `chain:{digest}` | string | turn and conversation of an answer that a request may go on from | an hour |
| `withheld:{digest}` | string | calls that were withheld in such an answer, as JSON | an hour |
| `said:{digest}` | string | hashes of what people had said by the time of such an answer | an hour |
| `trail:{digest}` | string | digests of the calls before such an answer, to see loops | an hour |
| `reset:{digest}` | string | where a conversation was when its history began to be left out | 7 days |
| `usage:{day}:{by}` | hash | what was used on a day, by agent, model, provider and team | 400 days |
| `agent_key:{digest}` | hash | whose key that is, by the key's keyed hash | until it expires or is revoked |
| `agent_keys:{id}` | hash | an agent's keys, by id | for ever |
| `clients:{id}` | hash | from where an agent's key is used: clients and networks, when last, s; 64 | idle agents' |
| `idle_sweep` | string | nothing; that somebody has just looked for idle agents | 30 min |
| `running:{id}` | sorted set | replicas that have exchanges of a draining agent under way | 4 s |
| `agent_names` | hash | whose name that is | for ever |
| `credential:{id}` | sorted set | ids of unverified agents behind a credential, by the time entered | idle agents' |
| `forms:{id}` | hash | what agents behind a fingerprint look like, by their ids | idle agents' |
| `signing_key` | string | the key that signs the audit record, encrypted | for ever |
| `audit:chains` | sorted set | chains of the audit record by the time last shipped, ms | `GATEWAY_RETENTION` |
| `audit:{chain}:records` | stream | records of a chain; an id is the number after the last | `GATEWAY_RETENTION` |
| `audit:{chain}:head` | hash | the newest checkpoint of a chain: size, root, note, time | `GATEWAY_RETENTION` |
| `admin_keys` | hash | what is known of each admin key, and a keyed hash of it | until it is deleted |
| `ended_session:{id}` | string | nothing; that somebody signed out of a session of the page | 13 h |
| `session_generation:{id}` | string | in which the sessions of an admin key begin; those of others are over | 13 h |
| `provider_health` | hash | how providers do, as each worker said last, and when, ms | 15 s |
| `events` | stream | what happened, for operators who watch | the last 1,000 or so |
| `{control}:log` | stream | which fields of the control state changed; an entry's id is its epoch | the last 10,000 |
| `{control}:state` | hash | the newest change of everything that operators switch, by kind and id | for ever |
| `{control}:replicas` | hash | the epoch each replica has applied, and when it said so | a minute after its last word |
| `{control}:news` | channel | nothing kept; a message for every change | |
| `policy_versions:{name}` | hash | the last 50 versions of a policy document before the present one | for ever |
| `{calls}:records` | stream | recorded requests and calls, in compressed batches | `GATEWAY_RECORD_CALLS`, 64 MiB |
| `acts:{id}` | hash | what an agent's allowed calls have added up to, and when the last was | 32 days after the last |
| `acts:{id}:{conversation}` | hash | the same of one conversation | 32 days after the last |
| `taint:{id}:{session}` | string | hashes of what a session first read in untrusted results | an hour |
| `taint:{id}:{session}:more` | string | what is being added to it | within one script |
| `given:{id}:{day}` | hash | 10,000 calls an agent was given or refused, by hashes of their ids | 2 days |
| `{limits}:reservation:{id}` | string | what is set aside for one exchange | until it is settled, 2 h at most |
| `{limits}:counts:{subject}` | hash | what limits and budgets have counted | 2 min to 32 d, by what it counts |
| `{limits}:minute:{measure}:{subject}` | sorted set | amounts of the last minute by time, us | 2 min |
| `{limits}:leases:{subject}` | sorted set | exchanges under way by the end of their lease, us | 2 min |
| `{approvals}:approval:{id}` | hash | one approval: who asked for what, and who decided | a day after its end |
| `{approvals}:arguments:{id}` | string | what the call has, secrets covered | until used or rejected, 1 h at most |
| `{approvals}:bound:{digest}` | string | the approval of exactly that call | until it is used, 1 h at most |
| `{approvals}:pending` | sorted set | approvals that wait for a person, by their end, ms | 1 h |
| `{approvals}:pending:{agent}` | sorted set | those of one agent | 1 h |
| `{approvals}:held:{agent}` | sorted set | an agent's answers that wait, by the end of their time, ms | 1 h |
| `{approvals}:index` | sorted set | all approvals by the time they were asked for, us | a day after the last |
| `{approvals}:announce` | sorted set | approvals that webhooks have still to be told of, by time, ms | 1 h |
| `{approvals}:news` | channel | nothing kept; a message for every decision | |
| `{intents}:record:{id}` | string | one intent: its steps, and who asked for what | an hour after its end |
| `{intents}:index` | sorted set | intents by the time they were minted, us | 25 h after the last |
| `{intents}:made:{agent}` | sorted set | intents that an agent asked for, by their end, ms | 25 h after the last |
| `uses:{root}` | hash | how often steps of an intent, and of all narrowed from it, were used | 60 s after its end |
| `call:{agent}:{digest}` | string | what the call token of an allowed call says | 60 s |
| `grant:{agent}:{digest}` | sorted set | executions of a call that a model proposed, by when it did; 100 | 10 min |
| `grant:{agent}:taken:{token}` | string | a token took its call's grants, or a call went on | 60 s, 2 h |
| `results:{agent}` | hash | which sessions of an agent have read results of tools, and when last, s | 70 min |
| `tools:{server}` | hash | definitions of an MCP server's tools, by their hashes | while they are pinned or listed |
| `{enforcement}:contained` | hash | agents that were stopped beyond being blocked, and how | until they are let go |
| `{webhooks}:due:{endpoint}` | sorted set | messages for a webhook, by the time of their next try, ms | 2 days |
| `{webhooks}:messages:{endpoint}` | hash | those messages, with the time after which they are of no use | 2 days |
| `{webhooks}:tries:{endpoint}` | hash | how often each was tried | 2 days |
| `{webhooks}:settled:{endpoint}` | sorted set | messages that were delivered or given up, by when, ms | 10 min |
| `{watch-p}:feed` | stream | what agents of one part did and what was found of them | until looked at, 100,000 |
| `{watch-p}:writers` | hash | the last batch of each writer of that stream, and when it came, ms | a day |
| `{watch-p}:lease` | string | the replica that looks at these agents | 3 s |
| `{watch-p}:wanted` | string | nothing; that a replica has fewer agents to look at than it might | 1 s |
| `{watch-p}:position` | string | the entry of the stream that was looked at last, and how often was saved | for ever |
| `{watch-p}:agent:{id}` | hash | what is usual of an agent, and where its case stands | idle agents', but while busy |
| `{watch-p}:staged:{save}:{id}` | hash | the same, before all of one save is there | 30 s |
| `{watch-p}:busy` | set | agents to look at even if they do nothing | for ever |
| `{watch-p}:prompt:{id}:{hash}` | string | an agent's system prompt, encrypted | idle agents' |
| `{watch-p}:prompts:{id}` | sorted set | hashes of its kept prompts, by when they were used, ms; 4 | idle agents' |
| `{incidents}:record:{id}` | string | one incident | `GATEWAY_RETENTION`, after its last change |
| `{incidents}:index` | sorted set | all incidents by the time they were opened, us | `GATEWAY_RETENTION` |
| `{incidents}:open` | sorted set | those that are open | until they are closed |
| `{incidents}:of:{agent}` | sorted set | those of one agent, the latest 1,000 | `GATEWAY_RETENTION` |
| `{immune}:counts` | hash | how often each remedy healed and failed, and what people said were causes | for ever |
| `{immune}:counted` | sorted set | what counts were added for, by the time, ms; the latest 1,000 | for ever |
| `{fleet}:active:{digest}` | sorted set | agents that asked a model of a provider, by the time, ms | 2 min |
| `{fleet}:alarms:{digest}` | sorted set | those that alarmed | 2 min |
| `{fleet}:known:{digest}` | sorted set | those of them that were known before | 2 min |
| `{fleet}:external` | hash | models of providers that are the cause, since and until when | until it is over |
| `{fleet}:sigma` | sorted set | agents about to be blocked on statistical evidence, by when, us | 10 s |
| `{fleet}:caps` | hash | the widest caps of any agent, by model | for ever, 1,000 |
"""

from dataclasses import dataclass
from zlib import crc32

PARTITIONS = 8
"""Agents are watched in so many parts, each by one replica at a time."""


def partition_of(agent_id: str) -> int:
    return crc32(agent_id.encode("utf-8", "replace")) % PARTITIONS


@dataclass(frozen=True, slots=True)
class Keys:
    """Names under one prefix."""

    prefix: str = "leuko:"

    @property
    def schema(self) -> str:
        return f"{self.prefix}schema"

    def probe(self, tag: str) -> str:
        return f"{self.prefix}probe:{{{tag}}}"

    @property
    def stats(self) -> str:
        return f"{self.prefix}stats"

    @property
    def agents(self) -> str:
        return f"{self.prefix}agents"

    def agent(self, agent_id: str) -> str:
        return f"{self.prefix}agent:{{{agent_id}}}"

    def vitals(self, agent_id: str) -> str:
        return f"{self.prefix}vitals:{{{agent_id}}}"

    def chain(self, digest: str) -> str:
        return f"{self.prefix}chain:{{{digest}}}"

    def said(self, digest: str) -> str:
        return f"{self.prefix}said:{{{digest}}}"

    def trail(self, digest: str) -> str:
        return f"{self.prefix}trail:{{{digest}}}"

    def withheld(self, digest: str) -> str:
        return f"{self.prefix}withheld:{{{digest}}}"

    def reset(self, digest: str) -> str:
        return f"{self.prefix}reset:{{{digest}}}"

    def usage(self, day: str, by: str) -> str:
        return f"{self.prefix}usage:{{{day}}}:{by}"

    def agent_key(self, digest: str) -> str:
        return f"{self.prefix}agent_key:{{{digest}}}"

    def keys_of(self, agent_id: str) -> str:
        return f"{self.prefix}agent_keys:{{{agent_id}}}"

    def running(self, agent_id: str) -> str:
        return f"{self.prefix}running:{{{agent_id}}}"

    def clients(self, agent_id: str) -> str:
        return f"{self.prefix}clients:{{{agent_id}}}"

    def credential(self, credential_id: str) -> str:
        return f"{self.prefix}credential:{{{credential_id}}}"

    def forms(self, agent_id: str) -> str:
        return f"{self.prefix}forms:{{{agent_id}}}"

    @property
    def idle_sweep(self) -> str:
        return f"{self.prefix}idle_sweep"

    @property
    def agent_names(self) -> str:
        return f"{self.prefix}agent_names"

    @property
    def admin_keys(self) -> str:
        return f"{self.prefix}admin_keys"

    def ended_session(self, session_id: str) -> str:
        return f"{self.prefix}ended_session:{{{session_id}}}"

    def session_generation(self, key_id: str) -> str:
        return f"{self.prefix}session_generation:{{{key_id}}}"

    @property
    def events(self) -> str:
        return f"{self.prefix}events"

    @property
    def control_log(self) -> str:
        return f"{self.prefix}{{control}}:log"

    @property
    def control_state(self) -> str:
        return f"{self.prefix}{{control}}:state"

    @property
    def control_replicas(self) -> str:
        return f"{self.prefix}{{control}}:replicas"

    @property
    def control_news(self) -> str:
        return f"{self.prefix}{{control}}:news"

    def policy_versions(self, name: str) -> str:
        return f"{self.prefix}policy_versions:{{{name}}}"

    @property
    def calls(self) -> str:
        return f"{self.prefix}{{calls}}:records"

    def acts(self, agent_id: str, conversation: str | None = None) -> str:
        of = f"{self.prefix}acts:{{{agent_id}}}"
        return of if conversation is None else f"{of}:{conversation}"

    def taint(self, agent_id: str, session: str) -> str:
        return f"{self.prefix}taint:{{{agent_id}}}:{session}"

    def given(self, agent_id: str, day: int) -> str:
        return f"{self.prefix}given:{{{agent_id}}}:{day}"

    def reservation(self, exchange_id: str) -> str:
        return f"{self.prefix}{{limits}}:reservation:{exchange_id}"

    def counts(self, subject: str) -> str:
        return f"{self.prefix}{{limits}}:counts:{subject}"

    def minute(self, measure: str, subject: str) -> str:
        return f"{self.prefix}{{limits}}:minute:{measure}:{subject}"

    def leases(self, subject: str) -> str:
        return f"{self.prefix}{{limits}}:leases:{subject}"

    @property
    def contained(self) -> str:
        return f"{self.prefix}{{enforcement}}:contained"

    def approval(self, approval_id: str) -> str:
        return f"{self.prefix}{{approvals}}:approval:{approval_id}"

    def approval_arguments(self, approval_id: str) -> str:
        return f"{self.prefix}{{approvals}}:arguments:{approval_id}"

    def approval_bound(self, digest: str) -> str:
        return f"{self.prefix}{{approvals}}:bound:{digest}"

    @property
    def approvals_pending(self) -> str:
        return f"{self.prefix}{{approvals}}:pending"

    def approvals_pending_of(self, agent_id: str) -> str:
        return f"{self.prefix}{{approvals}}:pending:{agent_id}"

    def answers_held(self, agent_id: str) -> str:
        return f"{self.prefix}{{approvals}}:held:{agent_id}"

    @property
    def approvals_index(self) -> str:
        return f"{self.prefix}{{approvals}}:index"

    @property
    def approvals_announce(self) -> str:
        return f"{self.prefix}{{approvals}}:announce"

    @property
    def approvals_news(self) -> str:
        return f"{self.prefix}{{approvals}}:news"

    def intent(self, intent_id: str) -> str:
        return f"{self.prefix}{{intents}}:record:{intent_id}"

    @property
    def intents_index(self) -> str:
        return f"{self.prefix}{{intents}}:index"

    def intents_made(self, agent_id: str) -> str:
        return f"{self.prefix}{{intents}}:made:{agent_id}"

    def uses(self, root: str) -> str:
        return f"{self.prefix}uses:{{{root}}}"

    def call(self, agent_id: str, digest: str) -> str:
        return f"{self.prefix}call:{{{agent_id}}}:{digest}"

    def grant(self, agent_id: str, digest: str) -> str:
        return f"{self.prefix}grant:{{{agent_id}}}:{digest}"

    def results(self, agent_id: str) -> str:
        return f"{self.prefix}results:{{{agent_id}}}"

    def tools(self, server: str) -> str:
        return f"{self.prefix}tools:{{{server}}}"

    def webhook(self, endpoint: str) -> tuple[str, ...]:
        """The four keys of its queue."""
        parts = ("due", "messages", "tries", "settled")
        return tuple(f"{self.prefix}{{webhooks}}:{part}:{endpoint}" for part in parts)

    def watch(self, partition: int, part: str) -> str:
        """`part` is feed, writers, lease, wanted, position or busy."""
        return f"{self.prefix}{{watch-{partition}}}:{part}"

    def watched(self, agent_id: str) -> str:
        return self.watch(partition_of(agent_id), f"agent:{agent_id}")

    def staged(self, save: str, agent_id: str) -> str:
        return self.watch(partition_of(agent_id), f"staged:{save}:{agent_id}")

    def prompt(self, agent_id: str, digest: str) -> str:
        return self.watch(partition_of(agent_id), f"prompt:{agent_id}:{digest}")

    def prompts(self, agent_id: str) -> str:
        return self.watch(partition_of(agent_id), f"prompts:{agent_id}")

    def incident(self, incident_id: str) -> str:
        return f"{self.prefix}{{incidents}}:record:{incident_id}"

    @property
    def incidents_index(self) -> str:
        return f"{self.prefix}{{incidents}}:index"

    @property
    def incidents_open(self) -> str:
        return f"{self.prefix}{{incidents}}:open"

    def incidents_of(self, agent_id: str) -> str:
        return f"{self.prefix}{{incidents}}:of:{agent_id}"

    @property
    def immune_counts(self) -> str:
        return f"{self.prefix}{{immune}}:counts"

    @property
    def immune_counted(self) -> str:
        return f"{self.prefix}{{immune}}:counted"

    @property
    def provider_health(self) -> str:
        return f"{self.prefix}provider_health"

    def fleet(self, part: str, digest: str = "") -> str:
        """`part` is active, alarms or known, of one group; external, sigma or caps of all."""
        return f"{self.prefix}{{fleet}}:{part}" + (f":{digest}" if digest else "")

    @property
    def signing_key(self) -> str:
        return f"{self.prefix}signing_key"

    @property
    def audit_chains(self) -> str:
        return f"{self.prefix}audit:chains"

    def audit_records(self, chain: str) -> str:
        return f"{self.prefix}audit:{{{chain}}}:records"

    def audit_head(self, chain: str) -> str:
        return f"{self.prefix}audit:{{{chain}}}:head"
