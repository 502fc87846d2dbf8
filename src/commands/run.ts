import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import { EventRecorder } from '../kubernetes/events.ts';
import { serveStatus } from '../observability/http.ts';
import { runToConsul, type ToConsul } from '../to-consul/index.ts';
import { runToKubernetes, type ToKubernetes } from '../to-kubernetes/index.ts';
import { createClients, readWorld, type Clients, type Context, type World } from './connect.ts';
import { Sources } from './sources.ts';

/** What is on its way when the daemon is told to stop may take this long; orchestrators kill much later. */
const DRAIN_MS = 1500;

export interface RunningDaemon {
  /** The port of the status server. */
  readonly port: number;
  /** Resolves when both directions run; rejects with what waiting would not mend. */
  readonly started: Promise<void>;
  /** Finishes what is on its way, removes nothing. */
  stop(): Promise<void>;
}

interface Directions {
  readonly events: EventRecorder;
  readonly toConsul: ToConsul | undefined;
  readonly toKubernetes: ToKubernetes | undefined;
}

/**
 * The daemon. It answers on its status port before anything else, so that a start that waits for Consul or the API
 * server can say so; it writes nothing before both systems were read completely.
 */
export async function startDaemon(context: Omit<Context, 'signal'>): Promise<RunningDaemon> {
  const watches = new AbortController();
  // Each watch and each request on its way listens; there are a few hundred at most.
  setMaxListeners(0, watches.signal);
  const whole: Context = { ...context, signal: watches.signal };
  const clients = createClients(whole);
  const sources = new Sources(whole);
  let directions: Directions | undefined;
  const failures = () => [...sources.failures(), ...(directions?.toConsul?.failures() ?? [])];
  const status = await serveStatus(context.config.http.address, {
    registry: context.metrics.registry,
    notReady: () => (directions ? failures() : ['starting', ...failures()]),
    status: () => ({
      cluster: context.config.cluster,
      version: context.version,
      ready: directions !== undefined && failures().length === 0,
      waitingFor: failures(),
      toConsul: directions?.toConsul?.status() ?? null,
      toKubernetes: directions?.toKubernetes?.status() ?? null,
    }),
  });
  const started = readWorld(whole, clients, sources).then((world) => {
    if (watches.signal.aborted) return;
    directions = startDirections(whole, clients, world);
    context.log.info('running', { cluster: context.config.cluster, clusterUid: world.owner.clusterUid });
  });
  // Whoever awaits `started` hears of a failure; nobody else must.
  started.catch(() => undefined);
  return {
    port: status.port,
    started,
    async stop() {
      directions?.events.stop();
      await Promise.all([directions?.toConsul?.stop(DRAIN_MS), directions?.toKubernetes?.stop(DRAIN_MS)]);
      watches.abort();
      status.close();
      await clients.close();
    },
  };
}

function startDirections(
  context: Context,
  { api, consul, kubernetes, resources }: Clients,
  { owner, toConsul, toKubernetes }: World,
): Directions {
  const { config, log, metrics } = context;
  const events = new EventRecorder(kubernetes, hostname(), log, metrics);
  const common = { owner, api, consul, resources, events, ...context };
  if (config.toKubernetes.importNamespaces.length > 0) log.warn('toKubernetes.importNamespaces is not used yet');
  return {
    events,
    toConsul: toConsul && runToConsul({ ...common, config: config.toConsul, ...toConsul }),
    toKubernetes: toKubernetes && runToKubernetes({ ...common, config: config.toKubernetes, ...toKubernetes }),
  };
}
