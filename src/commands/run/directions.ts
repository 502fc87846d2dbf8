import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { systemClock } from '../../clock.ts';
import { explainLoss } from '../../consul/distrust.ts';
import { mayWe, type Access } from '../../kubernetes/access.ts';
import { EventRecorder } from '../../kubernetes/events.ts';
import { leadersApi } from '../../leadership/leaders-api.ts';
import type { Leadership } from '../../leadership/leadership.ts';
import type { ChangeLog } from '../../observability/change-log.ts';
import { splitAddress } from '../../observability/http.ts';
import { OwnEntry, type OwnEntryOptions } from '../../to-consul/identity/own-entry.ts';
import { summarize, type Summary, type Sums } from '../../to-consul/identity/summary.ts';
import { runToConsul, type ToConsul, type ToConsulOptions } from '../../to-consul/index.ts';
import { runToKubernetes, type ToKubernetes } from '../../to-kubernetes/index.ts';
import type { Clients, Context } from '../../world/context.ts';
import type { Trust } from '../../world/trust.ts';
import type { Writes } from '../../writes.ts';
import type { TrustingWorld } from '../../world/world.ts';
import type { RetainingDirections } from './retention.ts';

/** What runs while this process leads. */
export interface Directions {
  readonly events: EventRecorder;
  readonly toConsul: ToConsul | undefined;
  readonly toKubernetes: ToKubernetes | undefined;
  readonly ownEntry: OwnEntry;
  readonly trust: Trust;
}

interface Given {
  readonly changes: ChangeLog;
  readonly ownEntry: OwnEntry;
  readonly writes: Writes;
  readonly leadership: Leadership;
}

/** Both directions, from what was read when this process began to lead. */
export function startDirections(
  context: Context,
  { api: anybodysApi, cluster, consul, nodes, kubernetes, resources, brake }: Clients,
  { owner, trust, lists, toConsul, toKubernetes, closedNamespaces }: TrustingWorld,
  { ownEntry, leadership, writes, changes, ...more }: Given & Pick<ToConsulOptions, 'committer' | 'isFollowing'>,
): Directions {
  const { config, log, metrics, timings } = context;
  const api = leadersApi(anybodysApi, () => leadership.assertLeading());
  const mayWrite = () => writes.phase === 'on';
  const events = new EventRecorder(kubernetes, hostname(), log, metrics, systemClock, Math.random, mayWrite);
  const may = (access: Access) => mayWe(kubernetes, access);
  const common = { owner, api, may, consul, nodes, resources, events, brake, changes, ...trust, ...context };
  const { timeLine, witness } = trust;
  const consulMark = () => ({ index: timeLine.namesIndex, nonce: witness.known?.nonce ?? '' });
  return {
    events,
    ownEntry,
    trust,
    toConsul:
      toConsul &&
      runToConsul({
        ...common,
        lists,
        config: config.toConsul,
        ...toConsul,
        ...more,
        ...timings,
        checkCluster: () => cluster.check(),
        closedNamespaces,
        onLook: () => ownEntry.forget(),
      }),
    toKubernetes:
      toKubernetes && runToKubernetes({ ...common, consulMark, config: config.toKubernetes, ...toKubernetes }),
  };
}

/** Those that run. */
export function retainingOf({ toConsul, toKubernetes }: Directions): RetainingDirections {
  return [
    ...(toConsul ? [['to-consul', toConsul] as const] : []),
    ...(toKubernetes ? [['to-kubernetes', toKubernetes] as const] : []),
  ];
}

export function createOwnEntry(
  { config, log, version, timings }: Context,
  given: Pick<OwnEntryOptions, 'nodes' | 'committer' | 'summary' | 'mayWrite'>,
  { owner, trust, toConsul }: TrustingWorld,
): OwnEntry {
  const { host, port } = splitAddress(config.http.address);
  const address = isIP(host) !== 0 && !WILDCARDS.has(host) ? host : addressOfThisMachine();
  const onCommit = (index: number) => toConsul?.own.noteCommit(index);
  const { distrust, witness } = trust;
  return new OwnEntry({
    ...{ ...given, owner, address, port, version, distrust, witness, onCommit, log },
    ...{ tags: config.toConsul.ownEntry.tags, createNonce: randomUUID, clock: systemClock, pace: timings?.entryPace },
  });
}

const WILDCARDS = new Set(['0.0.0.0', '::']);

function addressOfThisMachine(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1';
}

/** Whether what is missing from Consul is believed to be gone, and what shows that nothing is hidden from us. */
export function consulStatus(
  { ownEntry, trust: { distrust, witness } }: Directions,
  address: string,
  unfenced: string | undefined,
) {
  return {
    address,
    witness: witness.known ? "Consular's own entry" : 'the servers of Consul, which is weaker',
    witnessMissing: witness.failure ?? null,
    ownEntryNotWritten: ownEntry.failure ?? null,
    wentBack: distrust.loss ?? null,
    unfenced: unfenced ?? null,
  };
}

/**
 * Undefined while anything is still being found out or written: the summary would change with the next look.
 * @param isLastWord nothing is written after it: what is known has to do
 */
export function summaryOf(
  { toConsul, toKubernetes, trust }: Directions,
  given: Pick<Sums, 'off' | 'configuration' | 'unfenced' | 'retained' | 'failing'>,
  isLastWord = false,
): Summary | undefined {
  const consul = toConsul?.status();
  const kubernetes = toKubernetes?.status();
  const isBusy = [consul, kubernetes].some((status) => status && status.waiting + status.busy > 0);
  if (isBusy && !isLastWord) return undefined;
  const { loss } = trust.distrust;
  return summarize({
    loss: loss && explainLoss(loss),
    ...given,
    instances: consul?.instances ?? 0,
    rejected: (consul?.rejected ?? 0) + (kubernetes?.rejected ?? 0),
    held: consul?.held ?? 0,
    kept: (consul?.kept ?? 0) + (kubernetes?.kept ?? 0),
    mirrored: kubernetes?.services,
    troubles: [...(toConsul?.troubles() ?? []), ...(toKubernetes?.troubles() ?? [])],
  });
}
