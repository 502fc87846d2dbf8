import { describe, expect, it } from '@jest/globals';
import { proxyFor, proxyHeaders, proxyName } from '../../../src/consul/proxy.ts';

const PROXIES = { http: 'http://plain:3128', https: 'http://tls:3128', none: '' };
const through = (address: string, none = '') => proxyFor(address, { ...PROXIES, none })?.host;

describe('the proxy for an address', () => {
  it.each([
    ['http://consul:8500', 'plain:3128'],
    ['https://consul:8501', 'tls:3128'],
    ['http://192.0.2.1:8500', 'plain:3128'],
    ['http://[2001:db8::1]:8500', 'plain:3128'],
    // Not the machine itself.
    ['http://localhost:8500', undefined],
    ['https://localhost:8501', undefined],
    ['http://127.0.0.1:8500', undefined],
    ['http://127.1.2.3:8500', undefined],
    ['http://[::1]:8500', undefined],
  ])('of %s is %s', (address, proxy) => {
    expect(through(address)).toBe(proxy);
  });

  it.each([
    ['*', 'http://consul:8500'],
    ['consul', 'http://consul:8500'],
    ['CONSUL', 'http://consul:8500'],
    ['other, consul', 'http://consul:8500'],
    ['consul:8500', 'http://consul:8500'],
    ['consul:443', 'https://consul'],
    ['example.com', 'http://example.com:8500'],
    ['example.com', 'http://consul.example.com:8500'],
    ['.example.com', 'http://consul.example.com:8500'],
    ['*.example.com', 'http://consul.example.com:8500'],
    ['192.0.2.1', 'http://192.0.2.1:8500'],
    ['192.0.2.1:8500', 'http://192.0.2.1:8500'],
    ['192.0.2.0/24', 'http://192.0.2.1:8500'],
    ['2001:db8::1', 'http://[2001:db8::1]:8500'],
    ['[2001:db8::1]:8500', 'http://[2001:db8::1]:8500'],
    ['2001:db8::/32', 'http://[2001:db8::1]:8500'],
  ])('is none with NO_PROXY=%s and %s', (none, address) => {
    expect(through(address, none)).toBeUndefined();
  });

  it.each([
    ['', 'http://consul:8500'],
    [',', 'http://consul:8500'],
    ['consul:8501', 'http://consul:8500'],
    ['.example.com', 'http://example.com:8500'],
    ['example.com', 'http://badexample.com:8500'],
    ['192.0.2.0/24', 'http://192.0.3.1:8500'],
    ['192.0.2.0/99', 'http://192.0.2.1:8500'],
    ['0.0.0.0/0', 'http://consul:8500'],
    ['192.0.2.1', 'http://192.0.2.10:8500'],
  ])('is one with NO_PROXY=%s and %s', (none, address) => {
    expect(through(address, none)).toBe('plain:3128');
  });

  it('is an http one where it says no scheme, and none where nothing is said', () => {
    expect(proxyFor('http://consul:8500', { ...PROXIES, http: 'proxy:3128' })?.href).toBe('http://proxy:3128/');
    expect(proxyFor('http://consul:8500', { http: '', https: 'http://tls:3128', none: '' })).toBeUndefined();
  });

  it.each(['socks5://me:secret@proxy:1080', 'http://me:secret@', 'http://me:secret@proxy:port'])(
    'is an error that shows no password when nothing can be done with it: %s',
    (http) => {
      const ask = () => proxyFor('http://consul:8500', { ...PROXIES, http });
      expect(ask).toThrow(/^read HTTP_PROXY: expected a proxy like http:\/\/proxy:3128, found one (of|that)/);
      expect(ask).not.toThrow(/secret/);
      expect(proxyFor('http://127.0.0.1:8500', { ...PROXIES, http })).toBeUndefined();
    },
  );

  it('gets its credentials in a header, and its name has none', () => {
    const proxy = new URL('http://me:s%40cret@proxy:3128');
    expect(proxyHeaders(proxy)).toEqual({ 'proxy-authorization': `Basic ${btoa('me:s@cret')}` });
    expect(proxyHeaders(new URL('http://proxy:3128'))).toEqual({});
    expect(proxyName(proxy)).toBe('http://proxy:3128');
  });
});
