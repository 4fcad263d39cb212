/** YAML as documents with their errors: the parser alone, of which nothing makes values. Loaded when the first such file is looked at. */
export { parseAllDocuments } from 'yaml';
