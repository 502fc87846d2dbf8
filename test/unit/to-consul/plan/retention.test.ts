import { describe, expect, it } from '@jest/globals';
import { retain, type RetentionSources } from '../../../../src/to-consul/plan/retention.ts';
import { instance, node, registration } from '../../builders.ts';
import { NOBODY, others, podNamed } from '../planning.ts';

const CRITICAL = registration({ check: { status: 'critical', notes: 'notes', output: 'Pod is not Ready' } });
const WHY = 'much was lost at once, and orders would be empty';

/** What becomes of a registration of a pod that is not Ready, in short. */
function becomes(sources: Partial<RetentionSources> = {}): string[] {
  const { registrations, retained, unread, waitsFor } = retain([CRITICAL], {
    pod: podNamed('a'),
    node: node(),
    emptied: { isOfEmptied: () => true },
    others: NOBODY,
    heirs: [],
    ...sources,
  });
  expect(retained.map(({ id }) => id)).toEqual(registrations.map(({ id }) => id));
  return [
    ...registrations.map(({ check }) => check.status),
    ...unread.map((name) => `unread ${name}`),
    ...waitsFor.map(
      (wait) => `waits for ${'name' in wait ? wait.name : 'right' in wait ? wait.right.name : wait.namespace}`,
    ),
  ];
}

describe('an instance of a pod that is not Ready', () => {
  it.each<readonly [rule: string, sources: Partial<RetentionSources>, expected: string[]]>([
    ['of no event that empties its service goes', { emptied: { isOfEmptied: () => false } }, []],
    ['at an address that was given to another pod goes', { heirs: ['shop/other'] }, []],
    ['is judged when it is read what others have', { others: others({ orders: 'unread' }) }, ['unread orders']],
    [
      'goes beside a passing instance of others, for as long as that is there',
      { others: others({ orders: [instance({ status: 'passing' })] }) },
      ['waits for orders'],
    ],
    [
      'stays beside others that do not serve, until they do',
      { others: others({ orders: [instance({ status: 'critical' }), instance({ status: 'warning' })] }) },
      ['critical', 'waits for orders'],
    ],
    ['stays passing while its node is Unknown', { node: node({ ready: 'Unknown' }) }, ['passing']],
    ['stays critical while its node is Ready', {}, ['critical']],
    ['stays critical while its node is not Ready', { node: node({ ready: 'False' }) }, ['critical']],
    ['stays critical when nobody knows its node', { node: undefined }, ['critical']],
  ])('%s', (_, sources, expected) => {
    expect(becomes(sources)).toEqual(expected);
  });

  it('says why it stays, in the output of its check and to who asks', () => {
    const sources = { pod: podNamed('a'), emptied: { isOfEmptied: () => true }, others: NOBODY, heirs: [] };
    const { registrations, retained } = retain([CRITICAL], { ...sources, node: node({ ready: 'Unknown' }) });
    expect(registrations[0]?.check).toEqual({
      status: 'passing',
      notes: 'notes',
      output: `Pod is not Ready; retained by Consular: node worker-1 of its pod is Unknown, ${WHY}`,
    });
    expect(retained).toEqual([
      {
        ...{ id: CRITICAL.id, service: 'orders', why: `node worker-1 of its pod is Unknown: ${WHY}` },
        registration: registrations[0],
      },
    ]);
  });

  it('is judged by its own service', () => {
    const admin = { ...CRITICAL, id: 'admin', service: 'admin' };
    const isOfEmptied = (service: string, id: string) => service === 'admin' && id === 'admin';
    const sources = { pod: podNamed('a'), node: node(), others: NOBODY, heirs: [] };
    const { retained } = retain([CRITICAL, admin], { ...sources, emptied: { isOfEmptied } });
    expect(retained.map(({ service }) => service)).toEqual(['admin']);
  });
});
