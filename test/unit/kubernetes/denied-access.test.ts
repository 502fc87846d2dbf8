import { describe, expect, it } from '@jest/globals';
import { describeAccess, lackedAccess, type Access } from '../../../src/kubernetes/access.ts';
import { createDeniedAccess } from '../../../src/kubernetes/denied-access.ts';
import { KubernetesError } from '../../../src/kubernetes/errors.ts';
import { TestClock } from '../clock.ts';

const STATUS: Access = { verb: 'patch', group: '', resource: 'pods', subresource: 'status', namespace: 'shop' };
const SERVICES: Access = { verb: 'create', group: '', resource: 'services', namespace: 'shop' };
const MINUTE = 60_000;

function stage() {
  const clock = new TestClock();
  const world: { answer: boolean | undefined } = { answer: false };
  const ended: string[] = [];
  const asked: string[] = [];
  const denied = createDeniedAccess({
    may: (access) => {
      asked.push(describeAccess(access));
      return Promise.resolve(world.answer);
    },
    ...{ clock, signal: new AbortController().signal },
  });
  denied.subscribe((access) => ended.push(`${describeAccess(access)} after ${clock.now() / 1000} s`));
  return { clock, world, ended, asked, denied };
}

describe('a right that the API server denied', () => {
  it('is denied until an access review says that it is there, and then at once', async () => {
    const { denied, clock, world, ended } = stage();
    denied.deny(STATUS);
    await clock.advance(12_000);
    expect([denied.isDenied(STATUS), denied.isDenied(SERVICES), ended]).toEqual([true, false, []]);
    world.answer = true;
    await clock.advance(5000);
    expect([denied.isDenied(STATUS), ended]).toEqual([false, ['patch pods/status in namespace shop after 15 s']]);
  });

  it.each([
    ['nothing is told', undefined],
    ['it is said to be there all along', true],
    ['it is said to be missing', false],
  ])('is tried after 30 s, 1, 2, 4, 8, 10 min where %s', async (_, answer) => {
    const { denied, clock, world, ended } = stage();
    world.answer = answer;
    denied.subscribe((access) => denied.deny(access));
    denied.deny(SERVICES);
    await clock.advance(27 * MINUTE);
    const seconds = ended.map((text) => Number(/after (\d+) s/.exec(text)?.[1]));
    expect(seconds.map((at, i) => at - (seconds[i - 1] ?? 0))).toEqual([30, 60, 120, 240, 480, 600]);
  });

  it('that nobody needs any more is asked about no more', async () => {
    const { denied, clock, asked } = stage();
    denied.deny(STATUS);
    await clock.advance(2 * MINUTE);
    const before = asked.length;
    await clock.advance(10 * MINUTE);
    expect([asked.length, clock.timers]).toEqual([before, 0]);
  });
});

describe('the right that a refusal says is missing', () => {
  const refused = (status: number, message: string) =>
    new KubernetesError({ verb: 'patch', kind: 'Pod status', object: 'shop/a' }, status, 'Forbidden', message);

  it.each<[string, Access]>([
    [
      'pods "a" is forbidden: User "system:serviceaccount:consular:consular" cannot patch resource "pods/status" in API group "" in the namespace "shop"',
      STATUS,
    ],
    [
      'services is forbidden: User "u" cannot create resource "services" in API group "" in the namespace "shop"',
      SERVICES,
    ],
    [
      'x is forbidden: User "u" cannot delete resource "endpointslices" in API group "discovery.k8s.io" in the namespace "a"',
      { verb: 'delete', group: 'discovery.k8s.io', resource: 'endpointslices', namespace: 'a' },
    ],
    [
      'nodes is forbidden: User "u" cannot list resource "nodes" in API group "" at the cluster scope',
      { verb: 'list', group: '', resource: 'nodes', namespace: '' },
    ],
  ])('of %s', (message, access) => {
    expect(lackedAccess(refused(403, message))).toEqual(access);
  });

  it('is none where a quota or a webhook says no, or the failure is another', () => {
    expect(
      lackedAccess(refused(403, 'services "a" is forbidden: exceeded quota: few, requested: services=1')),
    ).toBeUndefined();
    expect(lackedAccess(refused(409, 'User "u" cannot create resource "services" in API group ""'))).toBeUndefined();
    expect(lackedAccess(new Error('reset'))).toBeUndefined();
  });
});
