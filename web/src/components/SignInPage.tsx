import { useId, useState, type FormEvent } from 'react';
import { readPastedKey } from '../api/accessKey';
import { useDocumentTitle } from '../hooks/useDocumentTitle';
import { Logo } from './Logo';

export interface SignInPageProps {
  /** The key that was tried is not valid. */
  readonly wasRefused: boolean;
  readonly onSignIn: (key: string) => void;
}

/** Asks for an API key or a token. It is kept until the tab is closed. */
export function SignInPage({ wasRefused, onSignIn }: SignInPageProps): React.JSX.Element {
  // Also so that the name of the model of who was signed in does not stay there.
  useDocumentTitle('Sign in');
  const fieldId = useId();
  const hintId = useId();
  const [isUnreadable, setUnreadable] = useState(false);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const text = new FormData(event.currentTarget).get('key');
    const key = typeof text === 'string' ? readPastedKey(text) : null;
    if (key === null) setUnreadable(true);
    else onSignIn(key);
  };
  return (
    <main className="narrow-page">
      <form className="card stack" onSubmit={submit}>
        <Logo />
        <h1>Sign in</h1>
        {(wasRefused || isUnreadable) && (
          <p role="alert" className="field-error">
            {isUnreadable
              ? 'This is not a key: it has characters that no key has. Copy it again, without other text.'
              : 'This key is not valid, or it has expired. Paste another one.'}
          </p>
        )}
        <label htmlFor={fieldId}>API key or token</label>
        <input
          id={fieldId}
          name="key"
          type="password"
          autoComplete="off"
          spellCheck={false}
          required
          aria-describedby={hintId}
        />
        <p id={hintId} className="muted">
          The operator of this server makes keys: <code>npm run likeness -- keys create --owner me</code>. The
          key stays in this tab, and is forgotten when you close it.
        </p>
        <button type="submit" className="button primary">
          Sign in
        </button>
      </form>
    </main>
  );
}
