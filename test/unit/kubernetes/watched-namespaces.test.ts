import { beforeEach, describe, expect, it } from '@jest/globals';
import type { KubernetesObject } from '../../../src/kubernetes/objects.ts';
import { objectKey } from '../../../src/kubernetes/objects.ts';
import type { Resource } from '../../../src/kubernetes/resources.ts';
import type { View } from '../../../src/kubernetes/view.ts';
import { WatchedNamespaces, type FollowedKind } from '../../../src/kubernetes/watched-namespaces.ts';
import { pod, service, slice } from '../builders.ts';
import { settled } from '../clock.ts';
import { RESOURCES } from '../to-kubernetes/plain-api.ts';
import { viewOf } from '../to-kubernetes/views.ts';

/** A kind in a namespace, of which the test says what the API server answers. */
class Kind<T extends KubernetesObject> implements FollowedKind<T> {
  readonly synced: Promise<View<T>>;
  failure: string | undefined = 'not read yet';
  isRefused = false;
  resumed = 0;
  readonly #onRefused: () => void;
  #resolve: (view: View<T>) => void = () => undefined;
  #onResumed: () => void = () => undefined;

  constructor(onRefused: () => void) {
    this.#onRefused = onRefused;
    this.synced = new Promise((resolve) => (this.#resolve = resolve));
  }

  read(...objects: T[]): void {
    this.isRefused = false;
    this.failure = undefined;
    this.#resolve(viewOf(...objects));
    this.#onResumed();
  }

  refuse(): void {
    this.isRefused = true;
    this.failure = 'the API server answered 403';
    this.#onRefused();
  }

  resume(): Promise<void> {
    this.resumed++;
    return new Promise((resolve) => (this.#onResumed = resolve));
  }
}

const OBJECTS: Readonly<Record<string, (namespace: string) => KubernetesObject>> = {
  pods: (namespace) => pod({ namespace, name: 'p' }),
  services: (namespace) => service({ namespace, name: 's' }),
  endpointslices: (namespace) => slice({ namespace, name: 'e' }),
};

let kinds: Map<string, Kind<KubernetesObject>>;
let watched: WatchedNamespaces;
let isSettled: boolean;

beforeEach(() => {
  kinds = new Map();
  watched = new WatchedNamespaces({
    names: ['shop', 'web', 'mirror', 'web'],
    withPods: new Set(['shop', 'web']),
    resources: RESOURCES,
    follow: <T extends KubernetesObject>({ plural }: Resource<T>, namespace: string, onRefused: () => void) => {
      const kind = new Kind<T>(onRefused);
      kinds.set(`${plural} in ${namespace}`, kind as unknown as Kind<KubernetesObject>);
      return kind;
    },
  });
  isSettled = false;
  void watched.settled.then(() => (isSettled = true));
});

function read(namespace: string): void {
  for (const [plural, objectIn] of Object.entries(OBJECTS))
    kinds.get(`${plural} in ${namespace}`)?.read(objectIn(namespace));
}
const shown = () => [...watched.pods.values(), ...watched.services.values()].map(objectKey).sort();

describe('namespaces that are read one by one', () => {
  it('are followed once each, with pods only where these are wanted', () => {
    expect([...kinds.keys()].sort()).toEqual([
      ...['endpointslices in mirror', 'endpointslices in shop', 'endpointslices in web'],
      ...['pods in shop', 'pods in web', 'services in mirror', 'services in shop', 'services in web'],
    ]);
    expect([...watched.names]).toEqual(['shop', 'web', 'mirror']);
  });

  it('are no view before each of them was read completely', async () => {
    read('shop');
    read('mirror');
    kinds.get('pods in web')?.read(pod({ namespace: 'web', name: 'p' }));
    await settled();
    expect(isSettled).toBe(false);
    expect(watched.failure).toBe('services in web: not read yet; endpointslices in web: not read yet');
    read('web');
    await settled();
    expect(isSettled).toBe(true);
    expect([watched.failure, watched.closed.size]).toEqual([undefined, 0]);
    expect(shown()).toEqual(['mirror/s', 'shop/p', 'shop/s', 'web/p', 'web/s']);
  });

  it('do not wait for one that may not be read, of which nothing is shown before all of it is', async () => {
    read('shop');
    read('mirror');
    kinds.get('pods in web')?.read(pod({ namespace: 'web', name: 'p' }));
    kinds.get('services in web')?.refuse();
    await settled();
    expect(isSettled).toBe(true);
    expect(shown()).toEqual(['mirror/s', 'shop/p', 'shop/s']);
    expect([...watched.closed]).toEqual([['web', 'the API server answered 403']]);
    let isOpened = false;
    void watched.opened('web').then(() => (isOpened = true));
    kinds.get('endpointslices in web')?.read();
    await settled();
    expect(isOpened).toBe(false);
    kinds.get('services in web')?.read(service({ namespace: 'web', name: 's' }));
    await settled();
    expect(isOpened).toBe(true);
    expect(shown()).toEqual(['mirror/s', 'shop/p', 'shop/s', 'web/p', 'web/s']);
    expect(watched.closed.size).toBe(0);
  });

  it('show what they had when they may not be read any more, which is no failure of the others', async () => {
    for (const namespace of ['shop', 'web', 'mirror']) read(namespace);
    await settled();
    kinds.get('pods in web')?.refuse();
    expect(shown()).toEqual(['mirror/s', 'shop/p', 'shop/s', 'web/p', 'web/s']);
    expect([...watched.closed.keys()]).toEqual(['web']);
    expect(watched.failure).toBeUndefined();
  });

  it('are resumed where they may be read, and one that may not is not waited for', async () => {
    for (const namespace of ['shop', 'web', 'mirror']) read(namespace);
    await settled();
    kinds.get('pods in web')?.refuse();
    let isResumed = false;
    void watched.resume().then(() => (isResumed = true));
    for (const [name, kind] of kinds) if (name !== 'pods in web' && name !== 'services in web') kind.read();
    await settled();
    expect([isResumed, kinds.get('pods in web')?.resumed]).toEqual([false, 0]);
    kinds.get('services in web')?.refuse();
    await settled();
    expect(isResumed).toBe(true);
  });
});
