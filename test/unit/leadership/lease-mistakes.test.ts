import { describe, expect, it } from '@jest/globals';
import { LeaseMistakes, mistakesOnLease } from '../../../src/leadership/lease-mistakes.ts';
import { TestLog } from '../log.ts';

const on = (...annotations: string[]) => mistakesOnLease(annotations, 'registry.acme.dev');

describe('annotations on the Lease', () => {
  it.each([
    ['consular.dev/write', 'consular.dev/writes'],
    ['consular.dev/Writes', 'consular.dev/writes'],
    ['consul.dev/writes', 'consular.dev/writes'],
    ['consular.dev/wirtes', 'consular.dev/writes'],
    ['consular.dev/releases', 'consular.dev/release'],
    ['writes', 'consular.dev/writes'],
    ['release', 'consular.dev/release'],
    ['registry.acme.dev/writes', 'consular.dev/writes'],
  ])('%s is told to be %s, perhaps', (annotation, meant) => {
    expect(on(annotation)).toEqual([{ annotation, meant }]);
  });

  it.each([
    ['read or written here', ['writes', 'release', 'released', 'epoch', 'nonce'].map((name) => `consular.dev/${name}`)],
    ['notes of an operator', ['reason', 'owner', 'ticket', 'who', 'note'].map((name) => `consular.dev/${name}`)],
    ['of somebody else', ['kubectl.kubernetes.io/last-applied-configuration', 'example.com/writes', 'team']],
  ])('are no mistakes where they are %s', (_, annotations) => {
    expect(on(...annotations)).toEqual([]);
  });

  it('are told of a few, however many there are', () => {
    expect(on(...Array.from({ length: 200 }, (_, i) => `consular.dev/writes${i % 10}`))).toHaveLength(3);
  });
});

describe('mistakes on a Lease that is looked at again and again', () => {
  it('are told the log once each, and are forgotten when they are gone', () => {
    const log = new TestLog();
    const mistakes = new LeaseMistakes(() => 'consular.dev', log);
    const warned = () => log.of('warn').length;
    for (let i = 0; i < 3; i++) mistakes.note(['consular.dev/write']);
    expect([warned(), mistakes.sentences]).toEqual([
      1,
      [
        'annotation consular.dev/write on the Lease is not known and does nothing; consular.dev/writes was meant, perhaps',
      ],
    ]);
    mistakes.note([]);
    expect(mistakes.sentences).toEqual([]);
    mistakes.note(['consular.dev/write']);
    expect(warned()).toBe(2);
  });
});
