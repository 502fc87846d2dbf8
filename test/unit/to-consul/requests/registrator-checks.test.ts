import { describe, expect, it } from '@jest/globals';
import { read, type Options } from './registrator-pods.ts';

describe('checks', () => {
  const all = {
    HTTP: '/h',
    HTTPS: '/s',
    CMD: '/check.sh',
    SCRIPT: 'curl $SERVICE_IP',
    TTL: '30s',
    TCP: 'true',
    GRPC: 'true',
  };
  const words = [
    'HTTP http://10.1.2.3:8080/h every 10s',
    'HTTP https://10.1.2.3:8080/s every 10s',
    'command "/check.sh" every 10s',
    'script "curl $SERVICE_IP" every 10s',
    'TTL 30s',
    'TCP 10.1.2.3:8080 every 10s',
    'gRPC 10.1.2.3:8080 every 10s',
    '',
  ];
  const check = (keys: Readonly<Record<string, string>>, options?: Options) => {
    const env = Object.entries(keys).map(([key, value]) => `CHECK_${key}=${value}`);
    return read('8080', ['NAME=web', ...env].join('; '), options).services[0]?.check;
  };

  it.each(words.map((expected, i) => [expected, i] as const))('%j is first of what is left', (expected, i) => {
    expect(check(Object.fromEntries(Object.entries(all).slice(i)))).toBe(expected);
    expect(check(Object.fromEntries(Object.entries(all).slice(i).reverse()))).toBe(expected);
  });

  it.each<[Readonly<Record<string, string>>, string]>([
    [{ HTTP: '/h', HTTP_METHOD: 'HEAD', TIMEOUT: '2s' }, 'HTTP HEAD http://10.1.2.3:8080/h every 10s, timeout 2s'],
    [{ HTTPS: '/h', HTTPS_METHOD: 'POST', HTTP_METHOD: 'GET' }, 'HTTP POST https://10.1.2.3:8080/h every 10s'],
    [{ GRPC: 'false', GRPC_USE_TLS: 'false' }, 'gRPC with TLS 10.1.2.3:8080 every 10s'],
    [{ SCRIPT: 'a', TIMEOUT: '2s', INTERVAL: '1m' }, 'script "a" every 1m'],
    [{ TTL: '30s', INTERVAL: '1m', TIMEOUT: '2s' }, 'TTL 30s'],
    [{ HTTP: '', TCP: '1' }, 'TCP 10.1.2.3:8080 every 10s'],
    [{ INTERVAL: '1m', TIMEOUT: '2s', DEREGISTER_AFTER: '10m' }, ''],
    [{ HTTP: '/\u001b[31m\n' }, 'HTTP http://10.1.2.3:8080/\\u001b[31m\\u000a every 10s'],
  ])('%j: %j', (keys, expected) => {
    expect(check(keys)).toBe(expected);
  });

  it('write an IPv6 address in brackets', () => {
    expect(check({ TCP: '1' }, { podIP: 'fd00::7' })).toBe('TCP [fd00::7]:8080 every 10s');
  });

  it('have one line of bounded length', () => {
    expect(check({ HTTP: `/${'x'.repeat(10_000)}` })).toHaveLength(512);
  });
});
