import { hostname } from 'node:os';
import { systemClock } from '../../clock.ts';
import type { ChangeLog } from '../../observability/change-log.ts';
import type { StatusSource } from '../../observability/http.ts';
import type { Context } from '../../world/context.ts';
import type { Writes } from '../../writes.ts';
import type { FollowedConfig } from './config-file.ts';
import { consulStatus, type Directions } from './directions.ts';
import type { Lead } from './lead.ts';
import { lastChanges, pageOf } from './page.ts';
import type { Retention } from './retention.ts';

/** What the status port shows of a process. */
export interface Shown {
  readonly context: Context;
  /** That is asked now: there may be several. */
  readonly consulAddress: () => string;
  readonly lead: Pick<Lead, 'isReady' | 'status' | 'unfenced'>;
  readonly retention: Pick<Retention, 'rows'>;
  readonly writes: Writes;
  readonly changes: Pick<ChangeLog, 'latest'>;
  /** Of the file; undefined where there is none. */
  readonly configuration: () => FollowedConfig['status'] | undefined;
  /** Those that run; undefined while this process does not lead. */
  readonly directions: () => Directions | undefined;
  /** What keeps this process from being current, one sentence each. */
  readonly failing: () => readonly string[];
}

/** The answers of the status port. */
export function statusSource(shown: Shown): StatusSource {
  const { context, lead, directions, failing } = shown;
  const { config, metrics } = context;
  return {
    registry: metrics.registry,
    notReady: () => (lead.isReady ? failing() : ['starting', ...failing()]),
    page: config.http.page ? pageOf(directions, () => lead.status()) : undefined,
    hosts: [hostname().toLowerCase(), ...config.http.hosts],
    status: () => statusOf(shown),
  };
}

function statusOf({ context, lead, retention, writes, changes, ...shown }: Shown) {
  const { config, version } = context;
  const waitingFor = shown.failing();
  const directions = shown.directions();
  return {
    cluster: config.cluster,
    version,
    time: systemClock.date(),
    ready: lead.isReady && waitingFor.length === 0,
    waitingFor,
    leader: lead.status(),
    writes: { enabled: writes.phase === 'on', since: writes.off?.since ?? null, by: writes.off?.by ?? [] },
    configuration: shown.configuration() ?? null,
    consulUi: config.consul.uiUrl === '' ? null : config.consul.uiUrl,
    lastChange: lastChanges(changes),
    consul: directions ? consulStatus(directions, shown.consulAddress(), lead.unfenced) : null,
    retained: directions ? retention.rows() : null,
    toConsul: directions?.toConsul?.status() ?? null,
    toKubernetes: directions?.toKubernetes?.status() ?? null,
  };
}
