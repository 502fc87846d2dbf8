import { explainError } from '../../observability/log.ts';
import { findingsOf, type Finding } from './finding.ts';
import { judgeCertificate, judgeClock } from './judge-look.ts';
import { lookAt } from './look.ts';

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

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

export async function outcomeOf<T>(work: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work };
  } catch (error) {
    return { error };
  }
}
