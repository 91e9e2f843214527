import { avatarFileName } from '../../src/generations/avatar-file-name';

const nameOf = (prompt: string | null, style = 'noir', contentType: string | null = 'image/jpeg'): string =>
  avatarFileName({ style, prompt, contentType, position: 6 });

describe('the file name of an avatar', () => {
  it.each([
    ['at the sea', 'noir-at-the-sea-7.jpg'],
    [null, 'noir-7.jpg'],
    ['', 'noir-7.jpg'],
    ['../../etc/passwd', 'noir-etc-passwd-7.jpg'],
    ['..\\C:\\con|nul?*"<>', 'noir-c-con-nul-7.jpg'],
    ['a\0b\r\nc\u202egpj.exe', 'noir-a-b-c-gpj-exe-7.jpg'],
    ['Zoë in München', 'noir-zoë-in-münchen-7.jpg'],
    ['海の近く 🏖️', 'noir-海の近く-7.jpg'],
    ['e\u0301te\u0301', 'noir-été-7.jpg'],
    ['--- ---', 'noir-7.jpg'],
  ])('has the words of style and prompt: %j', (prompt, name) => {
    expect(nameOf(prompt)).toBe(name);
  });

  it('is bounded, and never empty', () => {
    const long = nameOf('𝒜'.repeat(1_000));
    expect([...long]).toHaveLength(50 + '-7.jpg'.length);
    expect(Buffer.byteLength(long)).toBeLessThan(255);
    expect(nameOf('/', '..')).toBe('avatar-7.jpg');
    expect(nameOf(null, 'pop', 'image/webp')).toBe('pop-7.webp');
    expect(nameOf(null, 'pop', null)).toBe('pop-7.jpg');
  });
});
