import { expect, it } from '@jest/globals';
import { Absence, NotBelieved } from '../../../src/consul/absence.ts';
import { Distrust } from '../../../src/consul/distrust.ts';
import { settled, TestClock } from '../clock.ts';

interface Facts {
  readonly distrust: Distrust;
  isUnbroken: boolean;
  isWitnessThere: boolean;
  /** What happens while the witness is read. */
  meanwhile: () => void;
  /** Of the token that is sent now. */
  tokenTerm: number;
}

function stage() {
  const facts: Facts = {
    distrust: new Distrust(new TestClock()),
    isUnbroken: true,
    isWitnessThere: true,
    meanwhile: () => undefined,
    tokenTerm: 1,
  };
  const reject = (why: string) => Promise.reject(new Error(why));
  let readings = 0;
  const absence = new Absence({
    signal: new AbortController().signal,
    distrust: facts.distrust,
    client: facts,
    timeLine: { assertUnbroken: () => (facts.isUnbroken ? Promise.resolve() : reject('the leader is away')) },
    witness: {
      assertThere: () => {
        readings++;
        facts.meanwhile();
        return facts.isWitnessThere ? Promise.resolve() : reject('no witness');
      },
    },
  });
  return { facts, absence, readings: () => readings };
}

it('what is missing is believed to be gone when the witness is there and time is unbroken', async () => {
  await expect(stage().absence.assertBelievable('read service orders', 1)).resolves.toBeUndefined();
});

it.each<[string, (facts: Facts) => void]>([
  ['time went back', ({ distrust }) => distrust.begin('early-answer')],
  ['nobody can tell whether time went back', (facts) => (facts.isUnbroken = false)],
  ['the witness is missing', (facts) => (facts.isWitnessThere = false)],
  [
    'time goes back while the witness is read',
    (facts) => (facts.meanwhile = () => facts.distrust.begin('early-answer')),
  ],
  ['the token was replaced since the answer', (facts) => (facts.tokenTerm = 2)],
  ['the token is replaced while the witness is read', (facts) => (facts.meanwhile = () => (facts.tokenTerm = 2))],
  ['it is doubted while the witness is read', (facts) => (facts.meanwhile = () => (facts.isUnbroken = false))],
])('it is not when %s', async (_, spoil) => {
  const { facts, absence } = stage();
  spoil(facts);
  await expect(absence.assertBelievable('read service orders', 1)).rejects.toThrow(NotBelieved);
});

it('all who ask while the witness is read share the next reading, which begins when that is over', async () => {
  const { facts, absence, readings } = stage();
  const ask = () => absence.assertBelievable('read service orders', 1);
  const first = ask();
  await settled();
  facts.isWitnessThere = false;
  const later = Array.from({ length: 20 }, () => ask().catch((error: unknown) => error));
  await first;
  for (const error of await Promise.all(later)) expect(error).toBeInstanceOf(NotBelieved);
  expect(readings()).toBe(2);
});

it('the error says what was asked, why, and for how long', async () => {
  const { facts, absence } = stage();
  facts.isWitnessThere = false;
  const undated = await absence.assertBelievable('read service orders', 1).catch((error: unknown) => error);
  expect(undated).toMatchObject({ inMs: undefined, cause: new Error('no witness') });
  facts.distrust.begin('own-entry-lost');
  const dated = await absence.assertBelievable('read service orders', 1).catch((error: unknown) => error);
  expect(dated).toMatchObject({
    inMs: facts.distrust.remainingMs,
    message: expect.stringMatching(
      /^read service orders: something is missing, .* \(own-entry-lost\): until /,
    ) as unknown,
  });
});
