import { memoryLimit } from '../../heap.ts';
import type { Judgement } from '../../observability/causes.ts';
import type { Direction } from '../../observability/metrics.ts';
import { TokenEnd } from '../../consul/token-end.ts';
import type { Clients, Context } from '../../world/context.ts';
import type { Directions } from './directions.ts';
import { beginAtZero } from './zeros.ts';

interface State {
  /** Those that run; undefined while this process does not lead. */
  readonly directions: () => Directions | undefined;
  readonly judgements: () => readonly Judgement[];
}

/** What metrics say of this process from its start on. */
export function followState(
  { config, metrics, version }: Context,
  clients: Clients,
  { directions, judgements }: State,
): void {
  const enabled: Direction[] = [
    ...(config.toConsul.enabled ? (['to-consul'] as const) : []),
    ...(config.toKubernetes.enabled ? (['to-kubernetes'] as const) : []),
  ];
  metrics.buildInfo.set({ version, node_version: process.version, cluster: config.cluster }, 1);
  metrics.memoryLimit.set(memoryLimit());
  beginAtZero(
    metrics,
    enabled,
    [...Object.values(clients.resources), clients.workloadEntries].map(({ kind }) => kind),
  );
  const { token, tokenFile, login } = config.consul;
  const tokenEnd = [token, tokenFile, login.authMethod].some((source) => source !== '')
    ? new TokenEnd(clients.consul)
    : undefined;
  metrics.follow({
    judgements,
    directions: enabled,
    direction: (direction) => {
      const running = directions();
      return (direction === 'to-consul' ? running?.toConsul : running?.toKubernetes)?.state();
    },
    certificates: () => clients.certificateEnds(),
    tokens: () => {
      const lifetime = tokenEnd?.look();
      return new Map(lifetime ? [['consul', lifetime]] : []);
    },
  });
}
