/** Form fields for JSON Schema, as msgspec writes it: objects and lists, and the choice of the field for a schema. */

import { element } from "./dom.js";
import { ChoiceField, hintOf, JsonField, mark, newId, NumberField, SwitchField, TextField } from "./simple_fields.js";

const DEEPEST = 4;

/**
 * Make the field of a schema.
 * @param {string} name the label
 * @param {object} schema a part of `root`
 * @param {object} root the whole schema, whose `$defs` the parts refer to
 * @param {{ isRequired?: boolean, depth?: number }} options
 */
export function makeField(name, schema, root, { isRequired = false, depth = 0 } = {}) {
  const { node, isNullable } = plain(schema, root);
  const about = { name, node, root, depth, isRequired, isNullable };
  if (node.enum ?? ("const" in node)) return new ChoiceField(about);
  if (node.type === "boolean") return isNullable || isRequired ? new ChoiceField({ ...about, node: { ...node, enum: [true, false] } }) : new SwitchField(about);
  if (node.type === "integer" || node.type === "number") return new NumberField(about);
  if (node.type === "string") return new TextField(about);
  if (depth < DEEPEST && node.type === "object" && node.properties && node.additionalProperties !== true) return new GroupField(about);
  if (depth < DEEPEST && node.type === "array" && node.items && !node.prefixItems) return new ListField(about);
  return new JsonField(about);
}

/** Follow references, and take `null` out of a choice of two: a field that is left empty stands for it. */
function plain(schema, root) {
  const { $ref, anyOf, ...about } = schema;
  if ($ref) return plain({ ...root.$defs?.[$ref.split("/").at(-1)], ...about }, root);
  const others = anyOf?.filter(({ type }) => type !== "null");
  if (others?.length !== 1 || others.length === anyOf.length) return { node: schema, isNullable: Boolean(anyOf && others.length < anyOf.length) };
  return { node: plain({ ...others[0], ...about }, root).node, isNullable: true };
}

/** The fields of an object, which a check box takes in if the object may be left out. */
class GroupField {
  constructor({ name, node, root, depth, isRequired, isNullable }) {
    this.name = name;
    this.isRequired = isRequired;
    this.isNullable = isNullable;
    const required = new Set(node.required ?? []);
    this.fields = new Map(Object.entries(node.properties).map(([key, schema]) =>
      [key, makeField(key, schema, root, { isRequired: required.has(key), depth: depth + 1 })]));
    this.isOptional = !isRequired && (isNullable || required.size > 0);
    this.given = element("input", { type: "checkbox", id: newId() });
    this.inside = element("div", { className: "fields" }, ...[...this.fields.values()].map((field) => field.root));
    this.error = element("p", { className: "field-error", hidden: true });
    const legend = this.isOptional ? element("label", { htmlFor: this.given.id }, this.given, ` ${name}`, mark(isRequired)) : name;
    this.root = element("fieldset", { className: "group" }, element("legend", {}, legend), node.description ?? "", this.inside, this.error);
    this.given.addEventListener("change", () => this.show());
    this.show();
  }

  show() {
    this.inside.hidden = this.isOptional && !this.given.checked;
  }

  read() {
    if (this.isOptional && !this.given.checked) return this.isRequired ? null : undefined;
    const value = {};
    for (const [key, field] of this.fields) {
      const given = field.read();
      if (given !== undefined) value[key] = given;
    }
    return Object.keys(value).length || this.isRequired || this.isOptional ? value : undefined;
  }

  fill(value) {
    this.given.checked = value !== undefined && value !== null;
    for (const [key, field] of this.fields) field.fill(value?.[key]);
    this.show();
  }

  say(sentence) {
    this.error.textContent = sentence;
    this.error.hidden = !sentence;
  }

  at([first, ...rest]) {
    const field = this.fields.get(first);
    return field ? field.at(rest) : this;
  }

  focus() {
    if (this.isOptional) this.given.focus();
    else [...this.fields.values()][0]?.focus();
  }

  clear() {
    this.say("");
    for (const field of this.fields.values()) field.clear();
  }
}

/** A list of fields, with buttons that add and remove them. */
class ListField {
  constructor({ name, node, root, depth, isRequired, isNullable }) {
    Object.assign(this, { name, node, isRequired, isNullable });
    this.make = () => makeField(name, node.items, root, { isRequired: true, depth: depth + 1 });
    this.items = [];
    this.list = element("ol", { className: "items" });
    this.add = element("button", { type: "button", className: "small" }, `Add to ${name}`);
    this.error = element("p", { className: "field-error", hidden: true });
    const hint = hintOf({ description: node.description });
    const room = node.maxItems === undefined ? "" : element("span", { className: "field-hint" }, `at most ${node.maxItems}`);
    this.root = element("fieldset", { className: "group" }, element("legend", {}, name, mark(isRequired)), hint, this.list, this.add, " ", room, this.error);
    this.add.addEventListener("click", () => this.append().focus());
    if (isRequired) this.append();
  }

  append() {
    const field = this.make();
    const remove = element("button", { type: "button", className: "small", "aria-label": `Remove from ${this.name}` }, "Remove");
    const row = element("li", {}, field.root, remove);
    field.root.querySelector("label")?.classList.add("visually-hidden");
    remove.addEventListener("click", () => {
      this.items.splice(this.items.indexOf(field), 1);
      row.remove();
      this.bound();
      this.add.focus();
    });
    this.items.push(field);
    this.list.append(row);
    this.bound();
    return field;
  }

  bound() {
    this.add.disabled = this.items.length >= (this.node.maxItems ?? Infinity);
  }

  read() {
    const values = this.items.map((field) => field.read());
    return values.length || this.isRequired ? values : undefined;
  }

  fill(value) {
    this.items = [];
    this.list.replaceChildren();
    for (const each of value ?? (this.isRequired ? [undefined] : [])) this.append().fill(each);
    this.bound();
  }

  say(sentence) {
    this.error.textContent = sentence;
    this.error.hidden = !sentence;
  }

  at([first, ...rest]) {
    const field = this.items[Number(first)];
    return field ? field.at(rest) : this;
  }

  focus() {
    (this.items[0] ?? this.add).focus();
  }

  clear() {
    this.say("");
    for (const field of this.items) field.clear();
  }
}
