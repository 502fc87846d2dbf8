import { memoryLimit } from '../../heap.ts';
import type { Judgement } from '../../observability/causes.ts';
import type { Direction } from '../../observability/metrics.ts';
import type { Context } from '../../world/context.ts';
import type { Directions } from './directions.ts';

interface State {
  /** Those that run; undefined while this process does not lead. */
  readonly directions: () => Directions | undefined;
  readonly judgements: () => readonly Judgement[];
}

/** What metrics say of this process from its start on. */
export function followState({ config, metrics, version }: Context, { directions, judgements }: State): void {
  const enabled: Direction[] = [
    ...(config.toConsul.enabled ? (['to-consul'] as const) : []),
    ...(config.toKubernetes.enabled ? (['to-kubernetes'] as const) : []),
  ];
  metrics.buildInfo.set({ version, node_version: process.version, cluster: config.cluster }, 1);
  metrics.memoryLimit.set(memoryLimit());
  for (const direction of enabled) metrics.changeToWritten.zero({ direction });
  metrics.follow({
    judgements,
    directions: enabled,
    direction: (direction) => {
      const running = directions();
      return (direction === 'to-consul' ? running?.toConsul : running?.toKubernetes)?.state();
    },
    certificates: () => new Map(),
    tokens: () => new Map(),
  });
}
