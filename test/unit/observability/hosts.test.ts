import { describe, expect, it } from '@jest/globals';
import { isSafeHost } from '../../../src/observability/hosts.ts';

describe('what stands on the status port is shown', () => {
  it.each([
    ['the address of a pod', '10.42.0.7:8080'],
    ['an IPv6 address', '[fd00::7]:8080'],
    ['localhost', 'localhost:8080'],
    ['localhost, written as a whole name', 'LOCALHOST.:8080'],
    ['a name below localhost', 'consular.localhost:8080'],
    ['the name of a pod', 'consular-6d5f7c9b8-x2x4z:8080'],
    ['the Service, from its namespace', 'consular'],
    ['the Service, from another namespace', 'consular.consular.svc:8080'],
    ['the Service, by its whole name', 'consular.consular.svc.cluster.local:8080'],
    ['a name of the configuration', 'Registrar.example.com'],
    ['no name, which no browser does', undefined],
  ])('to whoever asks for %s', (_, host) => {
    expect(isSafeHost(host, ['registrar.example.com'])).toBe(true);
  });

  it.each([
    ['any other name', 'evil.example:8080'],
    ['a name that has an address in it', '127.0.0.1.evil.example:8080'],
    ['a name that has those of Kubernetes in it', 'consular.svc.evil.example'],
    ['a namespace that could be a domain', 'consular.dev:8080'],
    ['a name that ends like one of the configuration', 'x.registrar.example.com'],
    ['what is no IPv6 address', '[evil.example]:8080'],
    ['what is no host', 'localhost:8080@evil.example:80'],
  ])('to nobody who asks for %s', (_, host) => {
    expect(isSafeHost(host, ['registrar.example.com'])).toBe(false);
  });
});
