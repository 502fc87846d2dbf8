import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { ConsulConfig } from '../../config/schema.ts';
import { ConsulError } from '../../consul/errors.ts';
import { proxyName } from '../../consul/proxy.ts';
import { TlsFiles } from '../../consul/tls-files.ts';
import { explainError, type Log } from '../../observability/log.ts';
import { clientCertificate, judgeLogin, tokenFile } from './consul-credentials.ts';
import { findingsOf, type Finding } from './finding.ts';
import { judgeCertificate, judgeClock, type CertificateFault } from './judge-look.ts';
import { lookAt } from './look.ts';
import { outcomeOf, type Reached } from './reach.ts';
import { word } from './shell.ts';

/** One of Consul's addresses, and how it is asked there. */
export interface ConsulAddress {
  readonly address: string;
  /** That the daemon asks it through; undefined for none. */
  readonly proxy: URL | undefined;
  /** The address of the leader; empty when there is none. It takes no token. @throws when it cannot be had */
  readonly readLeader: () => Promise<string>;
}

export interface ConsulAccess {
  readonly config: ConsulConfig;
  readonly cluster: string;
  readonly log: Log;
  readonly addresses: readonly ConsulAddress[];
  /** An address without an answer by then costs the others nothing. */
  readonly eachMs: number;
  /** Asks with the token, or the login, at these addresses. @throws when there is none to be had */
  readonly authenticate: (addresses: readonly string[]) => Promise<unknown>;
}

/**
 * Whether Consul answers us, at each of its addresses, and has a leader; how their names, certificates and clocks are; and
 * whether there is a token to ask with. Of several addresses one is enough.
 */
export async function reachConsul(access: ConsulAccess, signal: AbortSignal, now: () => number): Promise<Reached> {
  const { config, cluster, addresses, authenticate } = access;
  const [each, client, token] = await Promise.all([
    Promise.all(addresses.map((address) => reachInTime(access, address, signal, now))),
    clientCertificate(config, now()),
    tokenFile(config),
  ]);
  const answering = addresses.filter((_, i) => each[i]?.isReached).map(({ address }) => address);
  const found = [...judgeAddresses(addresses, each), ...client, ...token];
  if (answering.length === 0 || token.length > 0) return { findings: found, isReached: false };
  const outcome = await outcomeOf(authenticate(answering));
  if ('value' in outcome) return { findings: found, isReached: true };
  const why = explainError(outcome.error);
  const isLogin = config.tokenFile === '' && config.token === '' && config.login.authMethod !== '';
  const failure = isLogin
    ? judgeLogin(config.login, `consular-${cluster}`, why)
    : findingsOf('consul.reach').error(why, howToReach(answering[0] ?? '', 0));
  return { findings: [...found, failure], isReached: false };
}

/**
 * | of several addresses  | the others  | what is wrong with one is |
 * |-----------------------|-------------|---------------------------|
 * | does not answer       | one answers | a warning                 |
 * | does not answer       | none        | an error                  |
 */
export function judgeAddresses(
  addresses: readonly Pick<ConsulAddress, 'address'>[],
  each: readonly Reached[],
): Finding[] {
  const isAlone = addresses.length === 1;
  const isAny = each.some(({ isReached }) => isReached);
  return each.flatMap(({ findings, isReached }, i) =>
    findings.map((finding): Finding => {
      const subject = isAlone ? finding.subject : (addresses[i]?.address ?? '');
      const level = finding.level === 'error' && isAny && !isReached ? 'warning' : finding.level;
      return { ...finding, subject, level };
    }),
  );
}

async function reachInTime(
  access: ConsulAccess,
  place: ConsulAddress,
  signal: AbortSignal,
  now: () => number,
): Promise<Reached> {
  const { eachMs } = access;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Reached>((resolve) => {
    const message = `${place.address} does not answer: no answer within ${eachMs / 1000} s`;
    const finding = findingsOf('consul.reach').error(message, howToReach(place.address, 0));
    timer = setTimeout(() => resolve({ findings: [finding], isReached: false }), eachMs);
  });
  try {
    return await Promise.race([reachAddress(access, place, signal, now), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function reachAddress(
  { config, log }: ConsulAccess,
  { address, proxy, readLeader }: ConsulAddress,
  signal: AbortSignal,
  now: () => number,
): Promise<Reached> {
  const find = findingsOf('consul.reach');
  const { serverName } = config;
  const url = new URL(address);
  const context = url.protocol === 'https:' ? new TlsFiles(config, log).context : undefined;
  const [name, look, leader] = await Promise.all([
    resolveHost(url.hostname, proxy),
    lookAt(new URL(`${address.replace(/\/$/, '')}/v1/status/leader`), { context, serverName, signal, now, proxy }),
    outcomeOf(readLeader()),
  ]);
  const seen = [
    ...name,
    ...(look.certificate
      ? [judgeCertificate('consul.tls', look.certificate, now(), mendTls(config, address, look.certificate.names))]
      : []),
  ];
  const through = proxy ? ` through the proxy ${proxyName(proxy)}` : '';
  if ('error' in leader) {
    // What is wrong with the name or the certificate is the cause, and told with what mends it.
    const isTold = seen.some(({ level }) => level === 'error');
    const status = leader.error instanceof ConsulError ? leader.error.status : 0;
    const fix = isTold
      ? '# see what is said of its name and its certificates below'
      : howToReach(address, status, proxy);
    const failure = find.error(`${address} does not answer${through}: ${explainError(leader.error)}`, fix);
    return { findings: [failure, ...seen], isReached: false };
  }
  if (leader.value === '') {
    const failure = find.error(
      `${address} knows no leader: Consul has lost its quorum, or is starting`,
      'consul operator raft list-peers   # on a server; then consul monitor',
    );
    return { findings: [failure, ...seen], isReached: false };
  }
  const tls = url.protocol === 'https:' ? '' : ', in plain text';
  const reached = find.ok(`${address} answers${through}${tls}, its leader is ${leader.value}`);
  return { findings: [reached, ...seen, ...judgeClock('consul.clock', look)], isReached: true };
}

function howToReach(address: string, status: number, proxy?: URL): string {
  if (status === 429)
    return 'consul reload   # after a larger limits.http_max_conns_per_client in the configuration of its servers';
  if (proxy)
    return [
      `curl -sS ${word(`${address}/v1/status/leader`)}   # from where Consular runs, with its HTTP_PROXY and HTTPS_PROXY`,
      `# If it has to be asked without the proxy ${proxyName(proxy)}, in the environment:`,
      `# NO_PROXY=${new URL(address).hostname}`,
    ].join('\n');
  return [
    `curl -sS ${address}/v1/status/leader   # from where Consular runs: does a NetworkPolicy or firewall keep it away?`,
    "# If Consul is somewhere else, say it in the configuration; the Service that Consul's own Helm chart makes is:",
    'consul:',
    '  address: http://consul-server.consul:8500',
  ].join('\n');
}

/** @param names of the certificate, as OpenSSL lists them */
function mendTls({ caFile }: ConsulConfig, address: string, names: string): (fault: CertificateFault) => string {
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

/** What DNS, or the hosts file, says of the host of the address: as a request asks. Through a proxy that one asks. */
async function resolveHost(hostname: string, proxy: URL | undefined): Promise<Finding[]> {
  const host = (proxy?.hostname ?? hostname).replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return [];
  const find = findingsOf('consul.dns');
  const found = await outcomeOf(lookup(host, { all: true }));
  if ('value' in found) return [find.ok(`${host} is ${found.value.map(({ address }) => address).join(', ')}`)];
  const whose = proxy ? 'of the proxy' : 'of consul.address';
  const fix = [
    `getent hosts ${host}   # from where Consular runs; a Service of Kubernetes is <name>.<namespace>. In the configuration:`,
    'consul:',
    '  address: http://<host that is known there>:8500',
  ].join('\n');
  return [find.error(`the host ${host} ${whose} has no address: ${explainError(found.error)}`, fix)];
}
