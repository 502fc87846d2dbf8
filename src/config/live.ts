import { isObject } from '../json.ts';
import type { Config } from './schema.ts';

/**
 * Settings that a running daemon takes over when its file changes: all that is asked again at each look. Of a section the path
 * stands for everything in it. The settings of `LIVE` and of `NEEDS_RESTART` are all there are; a unit test says so, and
 * docs/changing-settings.md lists the first.
 */
export const LIVE = [
  'writes',
  'log.level',
  'toConsul.namespaces',
  'toConsul.notReady',
  'toConsul.injectedContainers',
  'toConsul.policy',
  'toConsul.removals',
  'toKubernetes.services',
  'toKubernetes.requiredTags',
  'toKubernetes.requiredMeta',
  'toKubernetes.minHealth',
  'toKubernetes.denyAddresses',
  'toKubernetes.allowAddresses',
  'toKubernetes.maxServices',
  'toKubernetes.istio.labels',
  'toKubernetes.removalGrace',
  'toKubernetes.removals',
] as const;

/** Those that decide what is connected to, read, or begun at the start; and a few that would write everything anew. */
export const NEEDS_RESTART = [
  ...[
    'cluster',
    'besides',
    'annotationPrefix',
    'kubernetes',
    'consul',
    'leaderElection',
    'controlFile',
    'http',
    'log.format',
  ],
  ...[
    'toConsul.enabled',
    'toConsul.watch',
    'toConsul.selector',
    'toConsul.addressFamily',
    'toConsul.hostNetwork',
    'toConsul.readinessGate',
  ],
  ...['toConsul.registrator', 'toConsul.registratorExplicit', 'toConsul.ownEntry'],
  ...['toKubernetes.enabled', 'toKubernetes.namespaces', 'toKubernetes.importNamespaces', 'toKubernetes.tagServices'],
  'toKubernetes.filter',
  ...['toKubernetes.otherClusters', 'toKubernetes.dns', 'toKubernetes.port', 'toKubernetes.aliasPort'],
  ...['toKubernetes.headless', 'toKubernetes.endpoints', 'toKubernetes.mode', 'toKubernetes.istio.locality'],
  ...['toKubernetes.istio.serviceAccountMeta', 'toKubernetes.istio.slices'],
] as const;

/**
 * What says which cluster and which Consul a file is for. A file that has another value in one of them was written for another
 * daemon: its namespaces and its policy would deregister everything here.
 */
export const OF_ONE_CLUSTER = ['cluster', 'kubernetes', 'consul.address', 'consul.datacenter'] as const;

/** Of each namespace that is read for itself there is a watch, which is begun at the start. */
const OF_WATCHES = ['toConsul.namespaces'] as const;
/** What a section repeats of a setting beside it. */
const REPEATED = ['toConsul.annotationPrefix', 'toKubernetes.annotationPrefix'] as const;

/** Whether a setting is one of these, or within one of them. */
export function isAmong(settings: readonly string[], path: string): boolean {
  return settings.some((setting) => path === setting || path.startsWith(`${setting}.`));
}

/** A file that was written for another daemon than this one. */
export class OtherCluster extends Error {
  constructor(differing: readonly string[]) {
    super(`another cluster's file, or one that needs a restart: ${differing.join('; ')}`);
    this.name = 'OtherCluster';
  }
}

/**
 * The configuration of a daemon that runs: what is read of it is what the file says now where that is safe, and what the file
 * said at the start elsewhere.
 */
export class LiveConfig {
  readonly #start: Config;
  #latest: Config;
  /** One object for all who read settings: a section of it may be kept, the value of a setting must be asked for again. */
  readonly config: Config;

  constructor(start: Config) {
    this.#start = start;
    this.#latest = start;
    this.config = this.#view(start, []) as Config;
  }

  /**
   * The file says something else.
   * @returns the paths of the settings that are others than before, and of those that differ from what the daemon runs with
   * @throws OtherCluster when it is the file of another daemon; nothing of it is taken over
   */
  take(latest: Config): { readonly changed: readonly string[]; readonly needRestart: readonly string[] } {
    const others = differences(this.#start, latest).filter((path) => isAmong(OF_ONE_CLUSTER, path));
    if (others.length > 0)
      throw new OtherCluster(
        others.map((path) => {
          const [expected, found] = [this.#start, latest].map((config) => valueAt(config, path.split('.')));
          return `${path}: expected ${JSON.stringify(expected)} as at the start, found ${JSON.stringify(found)}`;
        }),
      );
    const differing = differences(this.#latest, latest);
    this.#latest = latest;
    return {
      changed: differing.filter((path) => this.#isLive(path)),
      needRestart: differences(this.#start, latest).filter((path) => !this.#isLive(path) && !isAmong(REPEATED, path)),
    };
  }

  /** A file of which nothing else counts says that writes are off. @returns whether they were on; a file that counts may say on */
  switchOff(): boolean {
    if (this.#latest.writes === 'off') return false;
    this.#latest = { ...this.#latest, writes: 'off' };
    return true;
  }

  #isLive(path: string): boolean {
    const isOfWatches = this.#start.toConsul.watch === 'namespaces' && isAmong(OF_WATCHES, path);
    return isAmong(LIVE, path) && !isOfWatches;
  }

  #view(section: object, path: readonly string[]): object {
    const view = {};
    for (const [key, value] of Object.entries(section as Record<string, unknown>)) {
      const inner = [...path, key];
      if (isObject(value)) {
        const fixed = this.#view(value, inner);
        Object.defineProperty(view, key, { enumerable: true, value: fixed });
        continue;
      }
      const isLive = this.#isLive(inner.join('.'));
      const get = () => (isLive ? valueAt(this.#latest, inner) : value);
      Object.defineProperty(view, key, { enumerable: true, get });
    }
    return view;
  }
}

/** Paths of settings, without sections; a list is one value. */
export function differences(a: object, b: object, path: readonly string[] = []): string[] {
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.flatMap((key) => {
    const [one, other] = [valueAt(a, [key]), valueAt(b, [key])];
    if (isObject(one) && isObject(other)) return differences(one, other, [...path, key]);
    return JSON.stringify(one) === JSON.stringify(other) ? [] : [[...path, key].join('.')];
  });
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (isObject(inner) ? (inner as Record<string, unknown>)[key] : undefined),
    value,
  );
}
