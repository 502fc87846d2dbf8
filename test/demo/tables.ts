import { readInstances, readServiceNames } from './consul-side.ts';
import { LOOK_INTERVAL_MS } from './eventually.ts';
import { readMirror, summarize } from './kubernetes-side.ts';
import type { Scene } from './scene.ts';
import { HEALTH_CHECK_INTERVAL } from './spring.ts';
import { formatTable } from './table.ts';

/** Both sides, read anew from both APIs. */
export async function showBothSides(scene: Scene): Promise<void> {
  const { say } = scene;
  say('');
  say(indent(await consulTable(scene)));
  say('');
  say(indent(await kubernetesTable(scene)));
  say('');
  say(
    indent(
      [
        `Times are measured through both APIs (blocking queries of Consul, reads of Kubernetes every ${LOOK_INTERVAL_MS} ms): of a pod since`,
        'the write that made it Ready, of a Service and an endpoint since the registration in Consul. An endpoint waits for',
        `the health check of Consul, every ${HEALTH_CHECK_INTERVAL}, to say passing: what comes after that is the time of Consular.`,
      ].join('\n'),
    ),
  );
}

async function consulTable({ stage: { consul }, times }: Scene): Promise<string> {
  const services = await readServiceNames(consul);
  const instances = (await Promise.all(services.map((service) => readInstances(consul, service)))).flat();
  return formatTable(
    ['CONSUL SERVICE', 'INSTANCE ID', 'ADDRESS', 'CHECK', 'NODE', 'VISIBLE AFTER'],
    instances.map(({ service, id, address, port, checks, node }) => [
      service,
      id,
      `${address}:${port}`,
      checks.map(({ status }) => status).join('\n'),
      node,
      times.get(id) ?? '(registers itself)',
    ]),
  );
}

async function kubernetesTable({ stage: { kubernetes }, mirrors, times }: Scene): Promise<string> {
  const summaries = await Promise.all(
    [...mirrors.keys()].sort().map(async (name) => summarize(name, await readMirror(kubernetes, name))),
  );
  return formatTable(
    ['KUBERNETES SERVICE', 'CLUSTER IP', 'PORTS', 'ENDPOINTSLICES', 'V1 ENDPOINTS', 'VISIBLE AFTER'],
    summaries.map(({ name, clusterIP, ports, sliceEndpoints, endpoints }) => [
      name,
      clusterIP,
      ports.join('\n'),
      sliceEndpoints.join('\n'),
      endpoints.join('\n'),
      [
        `Service ${times.get(name) ?? ''}`,
        ...sliceEndpoints.map((endpoint) => `endpoint ${times.get(endpoint) ?? ''}`),
      ].join('\n'),
    ]),
  );
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '   ');
}

/** Never more exact than the interval of the reads. */
export function inWords(ms: number): string {
  if (ms < LOOK_INTERVAL_MS) return `less than ${LOOK_INTERVAL_MS} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
