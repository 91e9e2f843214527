import { useQuery } from 'urql';
import { ModelCard } from '../components/ModelCard';
import { TrainForm } from '../components/TrainForm';
import { ModelsDocument } from '../graphql/operations';
import { useDocumentTitle } from '../hooks/useDocumentTitle';
import { usePhotoDraft } from '../hooks/usePhotoDraft';
import { pathOf } from '../hooks/useRoute';

/** The start: photos become a model. */
export function CreatePage(): React.JSX.Element {
  useDocumentTitle('Create');
  const chosen = usePhotoDraft();
  const [{ data }] = useQuery({ query: ModelsDocument, variables: { first: 4, orderBy: 'NEWEST' } });
  const models = data?.models?.nodes ?? [];
  return (
    <div className={models.length > 0 ? 'page with-side' : 'page reading'}>
      <div>
        <div className="hero">
          <h1 tabIndex={-1}>Avatars from your photos</h1>
          <p>Add a handful of photos, let a model learn the face, and make pictures of it in any style.</p>
        </div>
        <TrainForm chosen={chosen} />
      </div>
      {models.length > 0 && (
        <section className="side" aria-labelledby="recent-models">
          <div className="row between">
            <h2 id="recent-models">Your models</h2>
            <a href={pathOf({ page: 'models' })}>All models</a>
          </div>
          <ul className="model-list">
            {models.map((model) => (
              <li key={model.id}>
                <ModelCard model={model} />
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}
