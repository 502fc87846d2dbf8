import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { splitFrames, splitLines } from '../../../../src/kubernetes/encoding/split.ts';
import { frame } from './bytes.ts';

/** The body in pieces that end at these places. */
function pieces(body: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...new Set([...cuts.map((cut) => cut % (body.length + 1)), body.length])].sort((a, b) => a - b);
  return ends.map((end, i) => body.subarray(ends[i - 1] ?? 0, end));
}

const through = <T>(split: (piece: Buffer) => Iterable<T>, body: readonly Buffer[]): T[] =>
  body.flatMap((piece) => [...split(piece)]);
const framesOf = (body: readonly Buffer[]) => through(splitFrames(), body).map((part) => part.toString());

describe('frames', () => {
  const contents = ['first', '', 'third that is longer', 'x'];
  const body = Buffer.concat(contents.map((content) => frame(Buffer.from(content))));

  it('are found wherever the body is split', () => {
    for (let a = 0; a <= body.length; a++)
      for (let b = a; b <= body.length; b++) expect(framesOf(pieces(body, [a, b]))).toEqual(contents);
    expect(framesOf(Array.from(body, (byte) => Buffer.from([byte])))).toEqual(contents);
  });

  it('are found in any pieces of any body', () => {
    const content = fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(content), fc.array(fc.nat(2000)), (contents, cuts) => {
        const body = Buffer.concat(contents.map((content) => frame(content)));
        expect(Buffer.concat(through(splitFrames(), pieces(body, cuts)))).toEqual(Buffer.concat(contents));
        expect(through(splitFrames(), pieces(body, cuts))).toHaveLength(contents.length);
      }),
    );
  });

  it('that are not complete are not given', () => {
    for (let length = 0; length < body.length; length++) {
      const given = framesOf([body.subarray(0, length)]);
      expect(given).toEqual(contents.slice(0, given.length));
      expect(given.length).toBeLessThan(contents.length);
    }
  });

  it('of more than 64 MiB are refused by their header, and what came before them is given', () => {
    const split = splitFrames();
    const given: string[] = [];
    const read = () => {
      for (const part of split(Buffer.concat([frame(Buffer.from('good')), Buffer.from([4, 0, 0, 1])])))
        given.push(part.toString());
    };
    expect(read).toThrow('expected a frame of at most 67108864 bytes, found one of 67108865');
    expect(given).toEqual(['good']);
    expect(framesOf([Buffer.from([4, 0, 0, 0])])).toEqual([]);
  });
});

describe('lines', () => {
  const linesOf = (body: readonly Buffer[]) => through(splitLines(), body);
  const body = Buffer.from('{"a":"ä€😀"}\n\n{}\nlast\ncut off');

  it('are found wherever the body is split', () => {
    for (let a = 0; a <= body.length; a++)
      for (let b = a; b <= body.length; b++)
        expect(linesOf(pieces(body, [a, b]))).toEqual(['{"a":"ä€😀"}', '{}', 'last']);
  });
});
