import { useState } from 'react';
import { Icon } from './Icon';

/** Copies text to the clipboard, and says so. */
export function CopyButton({ text, label }: { text: string; label: string }): React.JSX.Element {
  const [state, setState] = useState<'idle' | 'copied' | 'refused'>('idle');
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setState('copied');
    } catch {
      setState('refused');
    }
    setTimeout(() => setState('idle'), 2_000);
  };
  const texts = { idle: 'Copy', copied: 'Copied', refused: 'Select and copy the text' };
  return (
    <button type="button" className="button small" aria-label={label} onClick={() => void copy()}>
      <Icon name={state === 'copied' ? 'check' : 'copy'} />
      <span aria-live="polite">{texts[state]}</span>
    </button>
  );
}
