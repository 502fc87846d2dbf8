import { describe, expect, it } from '@jest/globals';
import { SHIPPED_ACCOUNT, toldOfNamespaces } from '../../../src/commands/namespace-rights.ts';
import { refusal, Requester, type Said } from '../kubernetes/requester.ts';
import { RESOURCES } from '../to-kubernetes/plain-api.ts';
import { worldOf } from './explain/world.ts';

/** What is told by a caller to whom the API server says this of the account, and of what it may do in namespace web. */
async function told(
  account: Said,
  closed: readonly string[],
  review: (spec: string) => Said = () => YES,
  importNamespaces: string[] = [],
) {
  const { world, end } = await worldOf({ closed, toKubernetes: { namespaces: ['shop', 'web'] } });
  end();
  const kubernetes = { ...NEVER, ...requester(account, review) };
  const found = await toldOfNamespaces(
    { kubernetes, resources: RESOURCES },
    world,
    { namespaces: ['shop', 'web'], importNamespaces },
    SHIPPED_ACCOUNT,
    'cluster',
  );
  return found.map(({ object, message, isWarning }) => `${isWarning ? '*' : '!'} ${object}: ${message}`);
}

const never = () => Promise.reject(new Error('nobody asks for that'));
const NEVER = { read: never, stream: never, close: () => Promise.resolve() };
const YES = { status: { allowed: true } };
const NO = { status: { allowed: false } };

function requester(account: Said, review: (spec: string) => Said): Pick<Requester, 'request'> {
  const client = new Requester(({ method, body }) => (method === 'POST' ? review(JSON.stringify(body)) : account));
  return { request: (request) => client.request(request) };
}

const inWeb = (spec: string) => spec.includes('"namespace":"web"');
const isRead = (spec: string) => spec.includes('"verb":"list"') || spec.includes('"verb":"watch"');

describe('of the namespaces of imports is told', () => {
  it.each<[string, string, (spec: string) => Said, string[]]>([
    ['nothing where all is well', 'pay', () => YES, []],
    ['nothing of what only mirrored Services need', 'pay', (spec) => (spec.includes('endpointslices') ? YES : NO), []],
    [
      "that the daemon's account may write nothing there",
      'pay',
      (spec) => (spec.includes('"namespace":"pay"') ? NO : YES),
      [
        '! Namespace pay: ServiceAccount consular/consular has no right to create endpointslices.discovery.k8s.io in namespace pay, and 2 more of its rights are missing: until it has, nothing is written there: apply the Role in deploy/kubernetes/import-namespace for namespace pay',
      ],
    ],
    [
      'one line where Services are mirrored into it too',
      'web',
      (spec) => (inWeb(spec) ? NO : YES),
      [
        '! Namespace web: ServiceAccount consular/consular has no right to list endpoints in namespace web, and 10 more of its rights are missing: until it has, nothing is written there: apply the Role in deploy/kubernetes/mirror-namespace for namespace web',
      ],
    ],
  ])('%s', async (_, namespace, review, lines) => {
    const inImports = (spec: string) => (spec.includes(`"namespace":"${namespace}"`) ? review(spec) : YES);
    expect(await told({}, [], inImports, [namespace])).toEqual(lines);
  });
});

describe('a right that is missing', () => {
  it.each<[string, string, string, string[]]>([
    ['in a namespace of imports is a refusal: nothing is closed there', 'pay', 'WriteRefused', ['pay']],
    ['closes a mirror namespace where nothing can be written without it', 'web', 'NamespaceClosed', []],
  ])('%s', async (_, namespace, reason, importNamespaces) => {
    const { world, end } = await worldOf({ toKubernetes: { namespaces: ['shop', 'web'] } });
    end();
    const review = (spec: string) => (spec.includes(`"namespace":"${namespace}"`) ? NO : YES);
    const clients = { kubernetes: { ...NEVER, ...requester({}, review) }, resources: RESOURCES };
    const names = { namespaces: ['shop', 'web'], importNamespaces };
    const told = await toldOfNamespaces(clients, world, names, SHIPPED_ACCOUNT, 'cluster');
    expect(told.map((one) => [one.object, one.reason])).toEqual([[`Namespace ${namespace}`, reason]]);
  });
});

describe('of the mirror namespaces is told', () => {
  it.each<[string, Said, readonly string[], (spec: string) => Said, string[]]>([
    ['nothing where all is well', {}, [], () => YES, []],
    [
      'why nothing is planned for one',
      {},
      ['shop'],
      () => YES,
      ['! Namespace shop: nothing is planned for it: there is no such namespace'],
    ],
    [
      "that the daemon's account has no rights in one",
      {},
      [],
      (spec) => (inWeb(spec) ? NO : YES),
      [
        '! Namespace web: ServiceAccount consular/consular has no right to list endpoints in namespace web, and 10 more of its rights are missing: until it has, nothing is written there: apply the Role in deploy/kubernetes/mirror-namespace for namespace web',
      ],
    ],
    [
      'that it may read one, and not write it',
      {},
      [],
      (spec) => (inWeb(spec) && !isRead(spec) ? NO : YES),
      [
        '! Namespace web: ServiceAccount consular/consular has no right to create services in namespace web, and 8 more of its rights are missing: until it has, nothing is written there: apply the Role in deploy/kubernetes/mirror-namespace for namespace web',
      ],
    ],
    [
      'that it lacks one right there',
      {},
      [],
      (spec) => (inWeb(spec) && spec.includes('"delete","group":"","resource":"services"') ? NO : YES),
      [
        '! Namespace web: ServiceAccount consular/consular has no right to delete services in namespace web: what needs it is refused: apply the Role in deploy/kubernetes/mirror-namespace for namespace web',
      ],
    ],
    ['nothing of an account that is not there', refusal(404), [], () => NO, []],
    [
      'in one line that the caller may not see the account',
      refusal(403),
      [],
      () => YES,
      [
        '* ServiceAccount consular/consular: it is not known what it may write: get Thing x: the API server answered 403: no',
      ],
    ],
    [
      'in one line that the caller may not ask about it',
      {},
      [],
      () => refusal(403),
      [
        '* ServiceAccount consular/consular: it is not known what it may write: get Thing x: the API server answered 403: no',
      ],
    ],
  ])('%s', async (_, account, closed, review, expected) => {
    expect(await told(account, closed, review)).toEqual(expected);
  });

  it('nothing that was not answered: a plan on a guess is none', async () => {
    await expect(told(new Error('reset'), [])).rejects.toThrow('reset');
  });

  it('nothing where that direction is off', async () => {
    const { world, end } = await worldOf({ toKubernetes: { enabled: false } });
    end();
    const kubernetes = { ...NEVER, ...requester(new Error('nobody asks'), () => NO) };
    const names = { namespaces: ['shop'], importNamespaces: [] };
    expect(
      await toldOfNamespaces({ kubernetes, resources: RESOURCES }, world, names, SHIPPED_ACCOUNT, 'cluster'),
    ).toEqual([]);
  });
});
