import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { ConsulConfig } from '../../config/schema.ts';
import { ConsulError } from '../../consul/errors.ts';
import { TlsFiles } from '../../consul/tls-files.ts';
import { explainError, type Log } from '../../observability/log.ts';
import { findingsOf, type Finding } from './finding.ts';
import { judgeCertificate, type CertificateFault, judgeClientCertificate, judgeClock } from './judge-look.ts';
import { lookAt } from './look.ts';
import { word } from './shell.ts';

/** What reaching a system has brought to light. */
export interface Reached {
  readonly findings: readonly Finding[];
  /** Without it nothing else has to be asked. */
  readonly isReached: boolean;
}

export interface KubernetesAccess {
  readonly server: string;
  /** `gitVersion` of the API server. @throws when it cannot be had */
  readonly readVersion: () => Promise<string>;
}

/** Whether the API server answers us, and how its certificate and its clock are. */
export async function reachKubernetes(
  { server, readVersion }: KubernetesAccess,
  signal: AbortSignal,
  now: () => number,
): Promise<Reached> {
  const find = findingsOf('kubernetes.reach');
  const [look, version] = await Promise.all([
    lookAt(new URL(`${server}/version`), { signal, now }),
    outcomeOf(readVersion()),
  ]);
  const certificate = look.certificate;
  const tls = certificate
    ? [judgeCertificate('kubernetes.tls', { ...certificate, problem: undefined }, now(), () => API_SERVER_TLS)]
    : [];
  if ('error' in version) {
    const message = `${server} does not answer as an API server: ${explainError(version.error)}`;
    const fix = `kubectl get --raw /version   # with the same kubeconfig; what it needs, kubernetes.kubeconfig and kubernetes.context need too`;
    return { findings: [find.error(message, fix), ...tls], isReached: false };
  }
  const reached = find.ok(`${server} answers`);
  return {
    findings: [reached, ...tls, judgeKubernetesVersion(version.value), ...judgeClock('kubernetes.clock', look)],
    isReached: true,
  };
}

const API_SERVER_TLS = 'kubeadm certs renew apiserver   # on each control plane node; elsewhere as its provider says';

/** `discovery.k8s.io/v1` came with 1.21, `events.k8s.io/v1` with 1.19. */
const OLDEST_KUBERNETES = [1, 21] as const;

export function judgeKubernetesVersion(version: string): Finding {
  const find = findingsOf('kubernetes.version');
  const oldest = OLDEST_KUBERNETES.join('.');
  if (isAtLeast(version, OLDEST_KUBERNETES)) return find.ok(`Kubernetes ${version} (supported from ${oldest} on)`);
  return find.error(
    `Kubernetes ${version} has no discovery.k8s.io/v1: supported from ${oldest} on`,
    `kubeadm upgrade plan   # to ${oldest} or later; elsewhere as its provider says`,
  );
}

/** `v1.36.3`, `1.22.0+ent`. */
export function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [, foundMajor = '0', foundMinor = '0'] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(foundMajor) > major || (Number(foundMajor) === major && Number(foundMinor) >= minor);
}

/** The configuration for one address of Consul. */
type AtAddress = ConsulConfig & { readonly address: string };

export interface ConsulAccess {
  readonly config: AtAddress;
  readonly log: Log;
  /** The address of the leader; empty when there is none. @throws when it cannot be had */
  readonly readLeader: () => Promise<string>;
}

/** Whether Consul answers us and has a leader, and how its name, its certificate and its clock are. */
export async function reachConsul(
  { config, log, readLeader }: ConsulAccess,
  signal: AbortSignal,
  now: () => number,
): Promise<Reached> {
  const find = findingsOf('consul.reach');
  const { address, serverName } = config;
  const url = new URL(address);
  const context = url.protocol === 'https:' ? new TlsFiles(config, log).context : undefined;
  const [name, look, leader, client, token] = await Promise.all([
    resolveHost(url.hostname),
    lookAt(new URL(`${address.replace(/\/$/, '')}/v1/status/leader`), { context, serverName, signal, now }),
    outcomeOf(readLeader()),
    clientCertificate(config, now()),
    tokenFile(config),
  ]);
  const seen = [
    ...name,
    ...(look.certificate
      ? [judgeCertificate('consul.tls', look.certificate, now(), mendTls(config, look.certificate.names))]
      : []),
    ...client,
    ...token,
  ];
  if ('error' in leader) {
    // What is wrong with the name, the certificate or the token is the cause, and told with what mends it.
    const isTold = seen.some(({ level }) => level === 'error');
    const status = leader.error instanceof ConsulError ? leader.error.status : 0;
    const fix = isTold
      ? '# see what is said of its name, its certificates and the token below'
      : howToReach(address, status);
    return {
      findings: [find.error(`${address} does not answer: ${explainError(leader.error)}`, fix), ...seen],
      isReached: false,
    };
  }
  if (leader.value === '')
    return {
      findings: [
        find.error(
          `${address} knows no leader: Consul has lost its quorum, or is starting`,
          'consul operator raft list-peers   # on a server; then consul monitor',
        ),
        ...seen,
      ],
      isReached: false,
    };
  const tls = url.protocol === 'https:' ? '' : ', in plain text';
  return {
    findings: [
      find.ok(`${address} answers${tls}, its leader is ${leader.value}`),
      ...seen,
      ...judgeClock('consul.clock', look),
    ],
    isReached: true,
  };
}

function howToReach(address: string, status: number): string {
  if (status === 429)
    return 'consul reload   # after a larger limits.http_max_conns_per_client in the configuration of its servers';
  return [
    `curl -sS ${address}/v1/status/leader   # from where Consular runs: does a NetworkPolicy or firewall keep it away?`,
    "# If Consul is somewhere else, say it in the configuration; the Service that Consul's own Helm chart makes is:",
    'consul:',
    '  address: http://consul-server.consul:8500',
  ].join('\n');
}

/** @param names of the certificate, as OpenSSL lists them */
function mendTls({ caFile, address }: AtAddress, names: string): (fault: CertificateFault) => string {
  const file = caFile === '' ? 'consul-ca.pem' : caFile;
  const [name = 'server.dc1.consul'] = /(?<=DNS:)[^,\s]+/.exec(names) ?? [];
  return (fault) => {
    switch (fault) {
      case 'for other names':
        return `consul:\n  serverName: ${JSON.stringify(name)}`;
      case 'ended':
        return 'consul tls cert create -server && consul reload   # with the key of the CA, for each server; the certificate of a CA that has expired first';
      case 'of another CA':
        return [
          `# ${word(file)} has to have the certificate of the CA that signed what ${address} presents. Of Consul's own Helm chart it is:`,
          `kubectl -n consul get secret consul-ca-cert -o jsonpath='{.data.tls\\.crt}' | base64 -d > ${word(file)}`,
          ...(caFile === '' ? ['# and in the configuration:', '# consul:', '#   caFile: <where that file is>'] : []),
        ].join('\n');
      case 'other':
        return `openssl s_client -connect ${new URL(address).host} -showcerts </dev/null   # what it presents`;
    }
  };
}

/** What DNS, or the hosts file, says of the host of the address: as a request asks. */
async function resolveHost(hostname: string): Promise<Finding[]> {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return [];
  const find = findingsOf('consul.dns');
  const found = await outcomeOf(lookup(host, { all: true }));
  if ('value' in found) return [find.ok(`${host} is ${found.value.map(({ address }) => address).join(', ')}`)];
  const fix = [
    `getent hosts ${host}   # from where Consular runs; a Service of Kubernetes is <name>.<namespace>. In the configuration:`,
    'consul:',
    '  address: http://<host that is known there>:8500',
  ].join('\n');
  return [find.error(`the host ${host} of consul.address has no address: ${explainError(found.error)}`, fix)];
}

async function clientCertificate({ certFile }: ConsulConfig, nowMs: number): Promise<Finding[]> {
  if (certFile === '') return [];
  const read = await outcomeOf(readFile(certFile, 'utf8').then((text) => new X509Certificate(text)));
  return 'value' in read ? [judgeClientCertificate(certFile, new Date(read.value.validTo), nowMs)] : [];
}

/** A file that is named and cannot be used: then nothing is asked at all. */
async function tokenFile({ tokenFile: file }: ConsulConfig): Promise<Finding[]> {
  if (file === '') return [];
  const read = await outcomeOf(readFile(file, 'utf8'));
  if ('value' in read && read.value.trim() !== '') return [];
  const why = 'error' in read ? explainError(read.error) : 'it is empty';
  const fix = [
    '# With the SecretID of a token in token.txt; in Kubernetes the Deployment mounts this Secret:',
    'kubectl -n consular create secret generic consular-consul --from-file=token=token.txt',
    `# elsewhere: cp token.txt ${word(file)}`,
  ].join('\n');
  return [findingsOf('consul.token').error(`consul.tokenFile: expected a token in ${file}, found none: ${why}`, fix)];
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

export async function outcomeOf<T>(work: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work };
  } catch (error) {
    return { error };
  }
}
