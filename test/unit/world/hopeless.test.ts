import { describe, expect, it } from '@jest/globals';
import { ConsulError } from '../../../src/consul/errors.ts';
import { Hopeless } from '../../../src/world/hopeless.ts';

const TOKEN_FILE = '/var/run/consular/token';

function failed(code: string, more: object = {}): Error {
  return Object.assign(new Error(`it failed: ${code}`), { code, ...more });
}
const ofConsul = (cause: Error) => new ConsulError('read nodes', 0, '', cause);
const ofKubernetes = (cause: Error) => new Error('get Namespace kube-system', { cause });

/** The table in the comment of Hopeless, row by row. */
describe('waiting for one answer', () => {
  const judge = (error: unknown) => new Hopeless(TOKEN_FILE).judge(error);

  it.each<[string, unknown, string | undefined]>([
    ['a token file that is not there', ofConsul(failed('ENOENT', { path: TOKEN_FILE })), '--token-file names another'],
    ['one that may not be read', ofConsul(failed('EACCES', { path: TOKEN_FILE })), '--token-file names another'],
    ['another file', failed('ENOENT', { path: '/etc/ca.pem' }), ''],
    [
      'a Consul with a name that does not exist',
      ofConsul(failed('ENOTFOUND', { hostname: 'consul.consul.svc' })),
      '--consul-address names another than consul.consul.svc',
    ],
    ['an API server with such a name', ofKubernetes(failed('ENOTFOUND', { hostname: 'api' })), ''],
  ])('is in vain at once for %s', (_, error, advice) => {
    expect(judge(error)).toContain(advice);
  });

  it.each<[string, unknown]>([
    ['a refused connection', ofConsul(failed('ECONNREFUSED'))],
    ['an answer that is an error', new ConsulError('read nodes', 500, 'no leader')],
    ['a Unix socket that is not there', ofKubernetes(failed('ENOENT'))],
    ['anything else', 'a text'],
  ])('is not in vain for %s', (_, error) => {
    expect(judge(error)).toBeUndefined();
  });

  it('is in vain for a resolver that has not answered for 5 seconds, and not before', () => {
    let now = 1000;
    const hopeless = new Hopeless('', () => now);
    const error = ofConsul(failed('EAI_AGAIN', { hostname: 'consul' }));
    expect(hopeless.judge(error)).toBeUndefined();
    now += 4999;
    expect(hopeless.judge(error)).toBeUndefined();
    now += 1;
    expect(hopeless.judge(error)).toBe('');
  });
});
