import { describe, expect, it } from '@jest/globals';
import { load, problemsOf } from './parsing.ts';

describe('the environment', () => {
  const environment = {
    CONSUL_HTTP_ADDR: 'https://consul.example.com:8501',
    CONSUL_HTTP_TOKEN: 'secret',
    CONSUL_HTTP_TOKEN_FILE: '/run/token',
    CONSUL_CACERT: '/run/ca.pem',
    CONSUL_CLIENT_CERT: '/run/cert.pem',
    CONSUL_CLIENT_KEY: '/run/key.pem',
    KUBECONFIG: '/home/me/kubeconfig',
  };
  const consul = {
    address: 'https://consul.example.com:8501',
    datacenter: '',
    tokenFile: '/run/token',
    caFile: '/run/ca.pem',
    certFile: '/run/cert.pem',
    keyFile: '/run/key.pem',
    serverName: '',
    uiUrl: '',
    token: 'secret',
    login: { authMethod: '', bearerTokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token', meta: {} },
    proxies: { http: '', https: '', none: '' },
  };

  it.each(['', 'consul:\nkubernetes:', 'consul: {address: "", tokenFile: ""}\nkubernetes: {kubeconfig: ""}'])(
    'fills in what the file leaves open (%j)',
    (text) => {
      const config = load(text, environment);
      expect(config.consul).toEqual(consul);
      expect(config.kubernetes.kubeconfig).toBe('/home/me/kubeconfig');
    },
  );

  it('loses to the file', () => {
    const config = load('consul: {address: "http://here:1"}\nkubernetes: {kubeconfig: /other}', environment);
    expect(config.consul).toEqual({ ...consul, address: 'http://here:1' });
    expect(config.kubernetes.kubeconfig).toBe('/other');
  });

  it('counts as absent where it is empty', () => {
    const config = load('', { CONSUL_HTTP_ADDR: '', CONSUL_HTTP_TOKEN: '', KUBECONFIG: '' });
    expect(config).toEqual(load(''));
  });

  it.each([
    ['127.0.0.1:8500', 'http://127.0.0.1:8500'],
    ['[::1]:8500', 'http://[::1]:8500'],
    ['https://consul:8501', 'https://consul:8501'],
  ])('CONSUL_HTTP_ADDR=%s is %s', (variable, address) => {
    expect(load('', { CONSUL_HTTP_ADDR: variable }).consul.address).toBe(address);
  });

  it('is judged like the file', () => {
    expect(problemsOf('cluster: prod', { CONSUL_HTTP_ADDR: 'unix:///consul.sock' })).toEqual([
      'consul.address: expected an http or https URL without credentials, found "unix:///consul.sock"',
    ]);
  });

  it.each([
    ['HTTP_PROXY', 'http'],
    ['http_proxy', 'http'],
    ['HTTPS_PROXY', 'https'],
    ['https_proxy', 'https'],
    ['NO_PROXY', 'none'],
    ['no_proxy', 'none'],
  ] as const)('says in %s what proxies there are', (variable, proxy) => {
    expect(load('', { [variable]: 'proxy:3128' }).consul.proxies).toMatchObject({ [proxy]: 'proxy:3128' });
  });

  it.each([
    ['a token of the environment', '', { CONSUL_HTTP_TOKEN: 'secret' }, 'CONSUL_HTTP_TOKEN'],
    ['a token file', ', tokenFile: /run/token', {}, 'tokenFile /run/token'],
    ['a token file of the environment', '', { CONSUL_HTTP_TOKEN_FILE: '/run/token' }, 'tokenFile /run/token'],
  ])('does not go with a login: %s', (_, more, environment, found) => {
    expect(problemsOf(`cluster: prod\nconsul: {login: {authMethod: kubernetes}${more}}`, environment)).toEqual([
      `consul.login: expected no other token beside it, found ${found}`,
    ]);
  });

  it('is the only place for a token', () => {
    expect(problemsOf('cluster: prod\nconsul: {token: secret}', environment)).toEqual([
      'consul.token: expected a known setting, found an unknown one; use consul.tokenFile, or the variable CONSUL_HTTP_TOKEN: a token has no place in this file',
    ]);
  });
});
