import { describe, expect, it } from '@jest/globals';
import { toldOfQuotas } from '../../../src/commands/namespace-quotas.ts';
import { refusal, Requester, type Said } from '../kubernetes/requester.ts';

const quota = (name: string, hard: object, used: object) => ({ metadata: { name }, status: { hard, used } });
const creations = (kind: string, count: number, namespace = 'shop') =>
  Array.from({ length: count }, (_, i) => ({ action: 'create', kind, object: `${namespace}/x-${i}` }));

const told = async (answer: Said, changes: Parameters<typeof toldOfQuotas>[2]) =>
  (await toldOfQuotas(new Requester(() => answer), ['shop'], changes)).map(
    ({ object, message }) => `${object}: ${message}`,
  );

describe('a quota of a namespace', () => {
  const small = {
    items: [quota('small', { services: '5', 'count/endpoints': '9' }, { services: '3', 'count/endpoints': '9' })],
  };

  it('without enough room for what would be made is told once, with its numbers', async () => {
    expect(await told(small, creations('Service', 3))).toEqual([
      'Namespace shop: quota small has room for 2 more of services (3 of 5 are used), and 3 are to be created: the others are refused',
    ]);
    expect(await told(small, [...creations('Service', 2), ...creations('Endpoints', 1)])).toEqual([
      'Namespace shop: quota small has room for 0 more of count/endpoints (9 of 9 are used), and 1 are to be created: the others are refused',
    ]);
  });

  it.each<[string, Said, Parameters<typeof toldOfQuotas>[2]]>([
    ['has room', small, creations('Service', 2)],
    ['is about something else', small, creations('EndpointSlice', 100)],
    ['is of another namespace', small, creations('Service', 100, 'web')],
    ['may not be read', refusal(403), creations('Service', 100)],
    ['has no status yet', { items: [{ metadata: { name: 'new' } }] }, creations('Service', 100)],
    [
      'has numbers with units, which are not counted',
      { items: [quota('big', { services: '1k' }, { services: '3' })] },
      creations('Service', 100),
    ],
    ['is not used by updates', small, [{ action: 'update', kind: 'Service', object: 'shop/x' }]],
  ])('that %s says nothing', async (_, answer, changes) => {
    expect(await told(answer, changes)).toEqual([]);
  });
});
