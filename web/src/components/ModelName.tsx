import { useEffect, useRef, useState, type FormEvent } from 'react';
import { useMutation } from 'urql';
import { useSession } from '../api/session';
import { RenameModelDocument } from '../graphql/operations';
import { Icon } from './Icon';

/** The name as the heading of the page; it can be changed. */
export function ModelName({ id, name }: { id: string; name: string }): React.JSX.Element {
  const { capabilities } = useSession();
  const [isEditing, setEditing] = useState(false);
  const [{ error }, rename] = useMutation(RenameModelDocument);
  const renameButton = useRef<HTMLButtonElement>(null);
  const wasEditing = useRef(false);
  useEffect(() => {
    // The field that had the focus is gone.
    if (wasEditing.current && !isEditing) renameButton.current?.focus();
    wasEditing.current = isEditing;
  }, [isEditing]);
  const submit = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const next = new FormData(event.currentTarget).get('name');
    if (typeof next !== 'string' || next.trim() === '' || next.trim() === name) {
      setEditing(false);
      return;
    }
    const result = await rename({ id, name: next.trim() });
    if (!result.error) setEditing(false);
  };
  if (!isEditing)
    return (
      <div className="row">
        <h1 tabIndex={-1}>
          <bdi>{name}</bdi>
        </h1>
        <button
          ref={renameButton}
          type="button"
          className="icon-button"
          aria-label={`Rename ${name}`}
          onClick={() => setEditing(true)}
        >
          <Icon name="pencil" />
        </button>
      </div>
    );
  return (
    <form className="row" onSubmit={(event) => void submit(event)}>
      <input
        name="name"
        type="text"
        dir="auto"
        aria-label="Name of the model"
        defaultValue={name}
        maxLength={capabilities.maxModelNameLength}
        autoComplete="off"
        // A ref would take the focus again whenever the model changes, also from the button.
        autoFocus
        onKeyDown={({ key }) => {
          if (key === 'Escape') setEditing(false);
        }}
      />
      <button type="submit" className="button">
        Save
      </button>
      {error && (
        <p role="alert" className="field-error">
          {error.graphQLErrors[0]?.message ?? 'The name was not saved. Try again.'}
        </p>
      )}
    </form>
  );
}
