import { describe, expect, it } from '@jest/globals';
import { recordFrame, VERSION } from '../../../bench/scale/record/versions.ts';
import { find, replace } from '../../../bench/scale/replay/protobuf.ts';
import { templateOf } from '../../../bench/scale/replay/template.ts';

/** A delimited field; short ones only. */
const field = (number: number, value: Buffer) => Buffer.concat([Buffer.from([number * 8 + 2, value.length]), value]);
const text = (value: string) => Buffer.from(value);
const MAGIC = text('k8s\0');

/** An event of a watch, as the API server frames it. */
function frame(name: string, version: string): Buffer {
  const metadata = Buffer.concat([field(1, text(name)), field(6, text(version))]);
  const unknown = Buffer.concat([MAGIC, field(1, field(2, text('Pod'))), field(2, field(1, metadata))]);
  const event = Buffer.concat([field(1, text('ADDED')), field(2, field(1, unknown))]);
  return Buffer.concat([Buffer.from([0, 0, 0, event.length]), event]);
}

describe('a recorded event', () => {
  it('has room for a longer version, and the length of everything around it', () => {
    const recorded = recordFrame(frame('pod-900000', '312'), ['pod-900000']);
    expect(Buffer.from(recorded.bytes, 'base64')).toEqual(frame('pod-900000', VERSION));
  });

  it('is rendered as the event of another object', () => {
    const template = templateOf(recordFrame(frame('pod-900000', '312'), ['pod-900000']));
    expect(template.render(['1000000007', 'pod-000042'])).toEqual(frame('pod-000042', '1000000007'));
    expect(template.render(['1000000008', 'pod-000043'])).toEqual(frame('pod-000043', '1000000008'));
  });

  it('refuses a text of another length, which would break it', () => {
    const template = templateOf(recordFrame(frame('pod-900000', '312'), ['pod-900000']));
    expect(() => template.render(['1000000007', 'pod-42'])).toThrow(
      'expected a text of the same length, found "pod-42"',
    );
  });

  it('is refused when it is not about the object that it is taken for', () => {
    expect(() => templateOf(recordFrame(frame('other', '312'), ['pod-900000']))).toThrow(
      'find "pod-900000" in recorded bytes: expected it at least once, found it nowhere',
    );
  });
});

describe('a field in protobuf', () => {
  const message = Buffer.concat([
    field(2, field(1, text('a'))),
    Buffer.from([3 * 8, 1]),
    field(2, field(1, text('b'))),
  ]);

  it('is found wherever it occurs', () => {
    const found = find(message, [2, 1]).map(({ start, end }) => message.toString('latin1', start, end));
    expect(found).toEqual(['a', 'b']);
    expect(find(message, [3]).map(({ start }) => message[start])).toEqual([1]);
    expect(find(message, [4])).toEqual([]);
  });

  it('makes its message longer than 127 bytes when it is', () => {
    const long = text('x'.repeat(200));
    const replaced = replace(field(2, field(1, text('a'))), [2, 1], long);
    const [place] = find(replaced, [2, 1]);
    expect(replaced.subarray(place?.start, place?.end)).toEqual(long);
    expect(find(replaced, [2])).toHaveLength(1);
  });

  it('that ends after its message is refused', () => {
    expect(() => find(Buffer.from([2 * 8 + 2, 9, 1]), [2])).toThrow('expected a field that ends by 3, found 11');
  });
});
