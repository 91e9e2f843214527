const dateFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const timeFormat = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });

export const formatDate = (date: string): string => dateFormat.format(new Date(date));

export const formatTime = (date: string): string => timeFormat.format(new Date(date));

export const formatMoney = ({ amount, currency }: { amount: string; currency: string }): string =>
  currency === 'CREDITS' ? `${amount} credits` : `${amount} ${currency}`;

export function formatBytes(bytes: number): string {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** For example "about 20 seconds". */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 5) return 'a few seconds';
  if (seconds < 90) return `about ${seconds < 20 ? seconds : Math.round(seconds / 5) * 5} seconds`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `about ${minutes} minutes` : `about ${Math.round(minutes / 60)} hours`;
}

export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** What a person has entered, for use in a sentence, whose direction it must not change. */
export function isolate(text: string): string {
  const plain = text.replace(/[\u202a-\u202e\u2066-\u2069]/g, '');
  return /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/.test(plain) ? `\u2068${plain}\u2069` : plain;
}

const formatName = (format: string): string => (format === 'webp' ? 'WebP' : format.toUpperCase());

/** A text in which media types of pictures are replaced by what people call them: `image/webp` by "WebP". */
export const withFormatNames = (text: string): string =>
  text.replace(/image\/(\w+)/g, (_, format: string) => formatName(format));
