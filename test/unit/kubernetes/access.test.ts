import { describe, expect, it } from '@jest/globals';
import { mayWe, missingRight, type Access } from '../../../src/kubernetes/access.ts';
import { Requester, type Said } from './requester.ts';

const access = (verb: string): Access => ({
  verb,
  group: 'networking.istio.io',
  resource: 'workloadentries',
  namespace: 'a',
});
const yes = { status: { allowed: true } };
const no = { status: { allowed: false } };
const trouble = { status: { allowed: false, evaluationError: 'webhook is down' } };

describe('whether we may', () => {
  it.each<[string, object, boolean | undefined]>([
    ['is yes when the API server says so', yes, true],
    [
      'is yes when an authorizer had trouble that did not matter',
      { status: { ...trouble.status, allowed: true } },
      true,
    ],
    ['is no when it does not', no, false],
    ['is no when it says nothing', {}, false],
    ['is not known when an authorizer had trouble', trouble, undefined],
  ])('%s', async (_, said, expected) => {
    const client = new Requester(() => said);
    expect(await mayWe(client, access('list'))).toBe(expected);
    expect(client.sent[0]?.body).toMatchObject({ spec: { resourceAttributes: access('list') } });
  });

  it('is not guessed from an answer that is no review', async () => {
    await expect(mayWe(new Requester(() => 'x'), access('list'))).rejects.toThrow('read SelfSubjectAccessReview');
  });
});

describe('the right that is missing', () => {
  const ask = (answers: readonly Said[], had: boolean) => {
    const rest = [...answers];
    const client = new Requester(() => rest.shift() ?? {});
    return missingRight(client, ['list', 'watch', 'create'].map(access), had);
  };
  const named = (verb: string) => `${verb} workloadentries.networking.istio.io in namespace a`;

  it.each<[string, Said[], boolean, string | undefined, boolean]>([
    ['none', [yes, yes, yes], false, undefined, true],
    ['the first that is refused', [yes, no, no], false, named('watch'), true],
    ['one that an authorizer in trouble does not grant', [yes, yes, trouble], false, named('create'), false],
    ['none, when we had it before that trouble', [yes, yes, trouble], true, undefined, false],
    ['one that is refused although we had it', [trouble, no, yes], true, named('watch'), false],
  ])('is %s', async (_, answers, had, missing, isCertain) => {
    expect(await ask(answers, had)).toEqual({ missing, isCertain });
  });
});
