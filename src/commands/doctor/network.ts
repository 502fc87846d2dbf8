import { connect } from 'node:net';
import { isIP } from 'node:net';
import { isHostName, type Family } from '../../address.ts';
import type { Config, ToConsulConfig } from '../../config/schema.ts';
import type { ServiceInstance } from '../../consul/types.ts';
import { objectKey, type Pod } from '../../kubernetes/objects.ts';
import { explainError } from '../../observability/log.ts';
import { parseAnnotations } from '../../to-consul/requests/annotations.ts';
import { requestsOfPod } from '../../to-consul/requests/requests.ts';
import { createHostLookup } from '../../to-kubernetes/addresses/host-lookup.ts';
import { instancesToMirror } from '../../to-kubernetes/requests/selection.ts';
import { findingsOf, type Finding } from './finding.ts';
import type { Check, Patient } from './patient.ts';

/** A host that answers at all does so much sooner. */
const CONNECT_MS = 2000;
const SAMPLE = 3;

const ofPod = findingsOf('network.pod');
const ofInstance = findingsOf('network.instance');
const ofHost = findingsOf('network.host-name');

/** Where something should answer. */
export interface Target {
  /** For people. */
  readonly what: string;
  readonly address: string;
  readonly port: number;
}

/** What became of an attempt to connect: `refused` is an answer of the host, on which nothing listens there. */
export type Attempt = 'open' | 'refused' | 'silent' | { readonly failure: string };

/** Whether a pod that is to be registered answers from here, as machines that call it will need. */
export const podAnswers: Check = {
  id: 'network.pod',
  needs: ['Kubernetes'],
  run: async ({ config, reads }) => {
    if (!config.toConsul.enabled) return [ofPod.skipped('toConsul is off')];
    const { items } = await reads.pods();
    const targets = items.flatMap((pod) => targetsOfPod(pod, config.toConsul)).slice(0, SAMPLE);
    if (targets.length === 0) return [ofPod.skipped('no pod is Ready and annotated')];
    return Promise.all(targets.map(async (target) => judgeAttempt('network.pod', target, await attempt(target))));
  },
};

export function targetsOfPod(
  pod: Pod,
  { injectedContainers, annotationPrefix }: Pick<ToConsulConfig, 'injectedContainers' | 'annotationPrefix'>,
): Target[] {
  const [address] = pod.podIPs;
  const parsed = parseAnnotations(pod.annotations, annotationPrefix);
  if (address === undefined || pod.ready?.status !== 'True' || pod.deletionTimestamp || parsed.settings.sync === false)
    return [];
  return requestsOfPod(pod, parsed, injectedContainers).flatMap((outcome) =>
    'rejections' in outcome || outcome.udp ? [] : [{ what: `pod ${objectKey(pod)}`, address, port: outcome.port }],
  );
}

/** Whether an instance that is to be mirrored answers from here, as pods that call it will need. */
export const instanceAnswers: Check = {
  id: 'network.instance',
  needs: ['Consul'],
  run: async (patient) => {
    if (!patient.config.toKubernetes.enabled) return [ofInstance.skipped('toKubernetes is off')];
    const targets = (await mirrored(patient)).flatMap(targetsOfInstance).slice(0, SAMPLE);
    if (targets.length === 0) return [ofInstance.skipped('no passing instance with an IP address is to be mirrored')];
    return Promise.all(targets.map(async (target) => judgeAttempt('network.instance', target, await attempt(target))));
  },
};

async function mirrored({ config, reads }: Patient): Promise<ServiceInstance[]> {
  const { items } = await reads.instances();
  return items.flatMap((instances) => instancesToMirror(instances, config.cluster, config.toKubernetes));
}

export function targetsOfInstance({ service, id, address, nodeAddress, port, status }: ServiceInstance): Target[] {
  const place = address || nodeAddress;
  const isAsked = status === 'passing' && isIP(place) !== 0 && port > 0;
  return isAsked ? [{ what: `${service} instance ${id}`, address: place, port }] : [];
}

export function judgeAttempt(id: string, { what, address, port }: Target, outcome: Attempt): Finding {
  const find = findingsOf(id);
  const where = `${address}:${port}`;
  if (outcome === 'open') return find.ok(`${what} answers at ${where}`, where);
  const tryIt = `nc -vz ${address} ${port}   # from where callers run; Consular moves no packets, so a NetworkPolicy that keeps only Consular away does no harm`;
  if (outcome === 'refused')
    return find.warning(
      `${what} is reached, and nothing listens at ${where}: the host refused the connection`,
      tryIt,
      where,
    );
  const why = outcome === 'silent' ? `nothing answers within ${CONNECT_MS / 1000} s` : outcome.failure;
  return find.warning(`${what} cannot be reached from here at ${where}: ${why}`, tryIt, where);
}

/** Opens a connection, sends nothing, and closes it. */
function attempt({ address, port }: Target): Promise<Attempt> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: CONNECT_MS });
    const end = (outcome: Attempt) => {
      socket.destroy();
      resolve(outcome);
    };
    socket.once('connect', () => end('open'));
    socket.once('timeout', () => end('silent'));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ECONNREFUSED' ? 'refused' : { failure: error.code ?? error.message }),
    );
  });
}

/** Whether host names of instances that are to be mirrored are known where the daemon asks for them. */
export const hostNames: Check = {
  id: 'network.host-name',
  needs: ['Consul'],
  run: async (patient, signal) => {
    const { config } = patient;
    if (!config.toKubernetes.enabled) return [ofHost.skipped('toKubernetes is off')];
    const hosts = (await mirrored(patient)).map(({ address, nodeAddress }) => address || nodeAddress);
    const sample = [...new Set(hosts.filter((host) => isIP(host) === 0 && isHostName(host)))].slice(0, SAMPLE);
    if (sample.length === 0)
      return [ofHost.skipped('no instance that is to be mirrored has a host name for an address')];
    const ask = createHostLookup(config.toKubernetes.dns, signal);
    const families: Family[] = ['IPv4', 'IPv6'];
    return Promise.all(
      sample.map(async (host) => {
        try {
          return ofHost.ok(`is ${(await ask(host, families)).addresses.join(', ')}`, host);
        } catch (error) {
          return judgeUnknownHost(host, explainError(error), config.toKubernetes.dns);
        }
      }),
    );
  },
};

export function judgeUnknownHost(host: string, why: string, { servers }: Config['toKubernetes']['dns']): Finding {
  const asked = servers.length === 0 ? 'the DNS servers of the system' : servers.join(', ');
  const fix = [
    '# Either register IP addresses (in Spring: spring.cloud.consul.discovery.prefer-ip-address=true),',
    '# or name a DNS server that knows the machines, in the configuration:',
    'toKubernetes:',
    '  dns:',
    '    servers: [<address of that server>]',
    `    search: [<domain of ${host.includes('.') ? 'short names' : host}>]`,
  ].join('\n');
  return ofHost.warning(`${why}, says ${asked}: its instances are left out`, fix, host);
}
