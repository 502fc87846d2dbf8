import { describe, expect, it } from '@jest/globals';
import type { Request, Wishes } from '../../../../src/to-consul/requests/requests.ts';
import { sameInstance, unite, type United } from '../../../../src/to-consul/requests/unite.ts';
import { service, strings } from '../../builders.ts';

type Said = Omit<Partial<Wishes>, 'meta'> & {
  readonly meta?: Readonly<Record<string, string>>;
  readonly name?: string;
};

/** What the pod itself asks for, or the Service of that name. */
function request(asker: string, { meta = {}, name = 'ord', ...wishes }: Said = {}): Request {
  const by = asker === '' ? 'annotations of the pod' : `annotations of Service shop/${asker}`;
  const asking = asker === '' ? undefined : service({ name: asker });
  return { name, port: 8080, udp: false, wishes: { ...wishes, meta: strings(meta) }, service: asking, by };
}

function united(first: Request, ...others: Request[]): United {
  return unite([first, ...others]);
}

function wishes({ request }: United) {
  const { meta, ...said } = request.wishes;
  return { ...said, meta: Object.fromEntries(meta) };
}
const messages = ({ overruled }: United) =>
  overruled.map(({ service, kind, rejection }) => `${service} ${kind} ${rejection.reason}: ${rejection.message}`);

describe('several requests for one instance', () => {
  it('are those for one name in any case, one port and one protocol, those that win first', () => {
    const all = [
      request('b'),
      { ...request('a'), name: 'ORD' },
      { ...request('c'), port: 9090 },
      { ...request('d'), udp: true },
      request(''),
    ];
    expect(sameInstance(all).map((group) => group.map((one) => one.service?.name ?? ''))).toEqual([
      ['', 'a', 'b'],
      ['c'],
      ['d'],
    ]);
  });

  it('of two Services unite their tags and their meta', () => {
    const both = united(
      request('ord-a', { tags: ['a', 'x'], meta: { team: 'one' } }),
      request('ord-b', { tags: ['x', 'b'], meta: { lane: 'blue' } }),
    );
    expect(wishes(both)).toEqual({ tags: ['x', 'b', 'a'], meta: { team: 'one', lane: 'blue' } });
    expect(both.request).toMatchObject({
      service: { name: 'ord-a' },
      by: 'annotations of Service shop/ord-a and annotations of Service shop/ord-b',
    });
    expect(both.overruled).toEqual([]);
  });

  it('that disagree give the smaller name, and tell the other who won, and what', () => {
    const both = united(
      request('ord-a', { meta: { version: '2' }, weight: 5, notReady: 'critical' }),
      request('ord-b', { meta: { version: '1' }, weight: 3, notReady: 'deregister' }),
    );
    expect(wishes(both)).toEqual({ meta: { version: '2' }, weight: 5, notReady: 'critical' });
    expect(messages(both)).toEqual([
      'shop/ord-b overruled Overruled: Service shop/ord-b asks for Consul service "ord" on the same pods and port as a Service with a smaller name, which wins: ' +
        'meta "version": "2" of Service shop/ord-a, not "1"; service-weight: 5 of Service shop/ord-a, not 3; ' +
        'not-ready: critical of Service shop/ord-a, not deregister',
    ]);
  });

  it('of which only one says something do not disagree about it', () => {
    const both = united(request('ord-a'), request('ord-b', { weight: 3, tags: [] }));
    expect(wishes(both)).toEqual({ weight: 3, tags: [], meta: {} });
    expect(both.overruled).toEqual([]);
  });

  it('disagree about the spelling of the name', () => {
    const both = united(request('ord-a', { name: 'Ord' }), request('ord-b'));
    expect(both.request.name).toBe('Ord');
    expect(messages(both).join()).toContain('service-name: "Ord" of Service shop/ord-a, not "ord"');
  });

  it('of three Services are each overruled by the smallest that says it', () => {
    const three = united(
      request('a', { weight: 1 }),
      request('b', { meta: { k: 'b' } }),
      request('c', { meta: { k: 'c' }, weight: 2 }),
    );
    expect(wishes(three)).toEqual({ weight: 1, meta: { k: 'b' } });
    expect(messages(three)).toEqual([
      expect.stringContaining('meta "k": "b" of Service shop/b, not "c"; service-weight: 1 of Service shop/a, not 2'),
    ]);
  });

  it('of the pod and a Service take what the pod says over what the Service says, and lose nothing else', () => {
    const both = united(
      request('', { meta: { version: '2' } }),
      request('ord-a', { tags: ['a'], weight: 5, meta: { version: '1', team: 'one' } }),
    );
    expect(wishes(both)).toEqual({ tags: ['a'], weight: 5, meta: { version: '2', team: 'one' } });
    expect([both.request.service, both.overruled]).toEqual([undefined, []]);
    expect(wishes(united(request('', { tags: ['p'] }), request('ord-a', { tags: ['a'] })))).toMatchObject({
      tags: ['p'],
    });
  });

  it('that is one stays as it is', () => {
    const only = request('ord-a', { tags: ['a'], weight: 5, meta: { k: 'v' } });
    expect(united(only)).toEqual({ request: only, overruled: [] });
  });
});
