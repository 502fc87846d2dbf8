import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { OwnInstance } from '../../../../src/to-consul/observed/own-instance.ts';
import type { Registration } from '../../../../src/to-consul/registration/registration.ts';
import type { PodChanges } from '../../../../src/to-consul/write/operations.ts';
import { piecesOf, together } from '../../../../src/to-consul/write/parts.ts';
import { registrationOf } from '../instances.ts';
import { instanceOf, NODE_1, NODE_2 } from './picture.ts';

const OLD = '10.1.0.7';
const NEW = '10.1.0.8';

interface At {
  readonly address?: string;
  readonly node?: typeof NODE_1;
}
/** `service:port` of the one pod that these tests are about. */
function wish(text: string, { address = NEW, node = NODE_1 }: At = {}): Registration {
  const [service = '', port = ''] = text.split(':');
  return registrationOf('es-0', {
    ...{ id: `prod.shop.es-0:${text}`, service, port: Number(port), address, node },
  });
}
function instance(text: string, at: At = {}): OwnInstance {
  return { ...instanceOf('es-0'), registration: wish(text, at) };
}
const changes = (given: Partial<PodChanges>): PodChanges => ({ create: [], update: [], remove: [], ...given });

/** `+` creates, `~` updates, `-` removes. */
function shown({ create, update, remove }: PodChanges): string {
  const of = ({ service, port }: Registration) => `${service}:${port}`;
  return [
    ...create.map((one) => `+${of(one)}`),
    ...update.map(({ desired }) => `~${of(desired)}`),
    ...remove.map(({ registration }) => `-${of(registration)}`),
  ].join(' ');
}
const shownPieces = (given: Partial<PodChanges>) => piecesOf(changes(given)).map(shown);

describe('the pieces of changes that are more than a transaction', () => {
  it('are the dead addresses first, for a pod that came back on another node with another IP', () => {
    const there = { address: OLD, node: NODE_2 };
    expect(
      shownPieces({
        create: [wish('es:9001'), wish('es:9002')],
        remove: [instance('es:9001', there), instance('es:9002', there)],
      }),
    ).toEqual(['-es:9001', '-es:9002', '+es:9001', '+es:9002']);
  });

  it('put what leaves a dead address in its place before what only changes', () => {
    const update = [
      { desired: wish('a:1'), observed: instance('a:1') },
      { desired: wish('b:2'), observed: instance('b:2', { address: OLD }) },
    ];
    expect(shownPieces({ update, create: [wish('c:3')] })).toEqual(['~b:2', '~a:1', '+c:3']);
  });

  it.each<[string, string[], string[], string[]]>([
    ['renamed: the new name with the old', ['x:1', 'x:2'], ['y:1', 'y:2'], ['+y:1 -x:1', '+y:2 -x:2']],
    ['with other ports: one for one', ['x:1', 'x:2'], ['x:3', 'x:4'], ['+x:3 -x:1', '+x:4 -x:2']],
    ['in another case: the same', ['X:1'], ['x:1'], ['+x:1 -X:1']],
    ['swapped: each service keeps an instance', ['x:1', 'y:2'], ['y:1', 'x:2'], ['+y:1 -y:2', '+x:2 -x:1']],
    ['with the best replacement of several', ['x:1', 'x:2'], ['x:3', 'y:1', 'y:2'], ['+x:3 -x:1', '+y:1', '+y:2 -x:2']],
    ['that become fewer: the rest goes last', ['x:1', 'x:2', 'x:3'], ['x:4'], ['+x:4 -x:1', '-x:2', '-x:3']],
    ['of which nothing is left', ['x:1', 'y:2'], [], ['-x:1', '-y:2']],
    ['with nothing alike: creations first', ['x:1'], ['y:2'], ['+y:2', '-x:1']],
  ])('keep an instance and what replaces it together, %s', (_, before, after, pieces) => {
    expect(
      shownPieces({ create: after.map((text) => wish(text)), remove: before.map((text) => instance(text)) }),
    ).toEqual(pieces);
  });

  it('take an address for the same in another notation', () => {
    const create = [wish('x:1', { address: 'fd00::1' })];
    expect(shownPieces({ create, remove: [instance('y:1', { address: 'FD00:0::1' })] })).toEqual(['+x:1 -y:1']);
  });

  const names = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(5)), {
    selector: String,
    maxLength: 12,
  });
  const texts = names.map((all) => all.map(([service, port]) => `${service}:${port + 1}`));

  it('are all of the changes, each once', () => {
    fc.assert(
      fc.property(texts, texts, texts, (create, update, remove) => {
        const given = changes({
          create: create.map((text) => wish(text)),
          update: update.map((text) => ({ desired: wish(text), observed: instance(text) })),
          remove: remove.map((text) => instance(text, { address: text.startsWith('a') ? OLD : NEW })),
        });
        const all = together(piecesOf(given));
        expect(new Set(all.create)).toEqual(new Set(given.create));
        expect(new Set(all.update)).toEqual(new Set(given.update));
        expect(new Set(all.remove)).toEqual(new Set(given.remove));
        expect([all.create.length, all.update.length, all.remove.length]).toEqual(
          [create, update, remove].map(({ length }) => length),
        );
      }),
    );
  });

  it('never leave a service without an instance that it had and is to have, wherever a transaction ends', () => {
    fc.assert(
      fc.property(texts, texts, (before, after) => {
        const create = after.filter((text) => !before.includes(text)).map((text) => wish(text));
        const remove = before.filter((text) => !after.includes(text)).map((text) => instance(text));
        const serviceOf = (text: string) => text.split(':')[0] ?? '';
        const lasting = new Set(before.map(serviceOf).filter((name) => after.some((text) => serviceOf(text) === name)));
        const there = new Set(before);
        for (const piece of piecesOf(changes({ create, remove }))) {
          for (const { service, port } of piece.create) there.add(`${service}:${port}`);
          for (const { registration } of piece.remove) there.delete(`${registration.service}:${registration.port}`);
          for (const name of lasting) expect([...there].map(serviceOf)).toContain(name);
        }
        expect(there).toEqual(new Set(after));
      }),
    );
  });
});
