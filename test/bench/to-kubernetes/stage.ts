import { setTimeout as sleep } from 'node:timers/promises';
import {
  openRunDirectory,
  startConsul,
  startKubernetes,
  type KubernetesPlane,
  type RunDirectory,
} from '../../control-plane/index.ts';
import { ConsulApi } from '../../rig/consul.ts';
import { KubernetesApi } from '../../rig/kubernetes.ts';
import { measureBackground, type Parts, type PerPart } from '../cpu.ts';
import { say } from '../subjects.ts';
import { instanceAt, instancesOf } from './instances.ts';
import { Mirror } from './mirror.ts';
import { Source } from './source.ts';

export const NAMESPACE = 'mirrored';

/** What one program is measured on: a Consul full of services and an empty Kubernetes, both of its own. */
export interface Stage {
  readonly services: number;
  readonly directory: RunDirectory;
  readonly plane: KubernetesPlane;
  readonly kubernetes: KubernetesApi;
  readonly consul: ConsulApi;
  readonly source: Source;
  readonly mirror: Mirror;
  readonly parts: Omit<Parts, 'subject'>;
  /** CPU seconds a second of each part before the program is started. */
  readonly background: PerPart;
}

const SETTLE_MS = 3000;
const BACKGROUND_MS = 8000;

/** As in production, with its data on disk. The floor has a connection for each service, and Consul takes 200 from one client unless it is told otherwise. */
const CONSUL_SETTINGS = { limits: { http_max_conns_per_client: 8000 } };

export async function onStage<T>(services: number, work: (stage: Stage) => Promise<T>): Promise<T> {
  const closers: (() => Promise<unknown>)[] = [];
  const closing = <C>(what: C, close: (what: C) => Promise<unknown>): C => {
    closers.unshift(() => close(what));
    return what;
  };
  try {
    const plane = closing(await startKubernetes(), ({ stop }) => stop());
    const server = closing(await startConsul({ persistent: true, settings: CONSUL_SETTINGS }), ({ stop }) => stop());
    const directory = closing(await openRunDirectory('bench'), (opened) => opened.close());
    const consul = closing(new ConsulApi(server.address), (api) => api.close());
    const kubernetes = closing(new KubernetesApi(plane.server, plane.caFile, plane.adminToken), (api) => api.close());
    await kubernetes.createNamespace(NAMESPACE);
    const mirror = closing(await Mirror.open(plane, NAMESPACE), (opened) => opened.close());
    const source = new Source(consul);
    const instances = instancesOf(services);
    say(`registering ${instances} instances of ${services} services ...`);
    await source.registerAll(Array.from({ length: instances }, (_, i) => instanceAt(i, services)));
    const parts = { consul: server.pid, apiServer: plane.apiServerPid, etcd: plane.etcdPid };
    await sleep(SETTLE_MS);
    const background = await measureBackground(parts, () => sleep(BACKGROUND_MS));
    return await work({ services, directory, plane, kubernetes, consul, source, mirror, parts, background });
  } finally {
    for (const close of closers) await close();
  }
}
