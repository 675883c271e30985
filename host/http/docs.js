// Draws the API out of /openapi.json. Text is only ever set as text, never as markup.
"use strict";

const element = (name, text = "", ...children) => {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
};

const resolve = (api, schema) =>
  schema && schema.$ref ? resolve(api, schema.$ref.slice(2).split("/").reduce((at, part) => at[part], api)) : schema || {};

const table = (head, rows) => {
  const made = element("table", "", element("tr", "", ...head.map((name) => element("th", name))));
  for (const row of rows) made.append(element("tr", "", ...row.map((cell) => (cell instanceof Node ? element("td", "", cell) : element("td", cell)))));
  return made;
};

const tryIt = (method, path, parameters, example) => {
  const fields = parameters.map((parameter) => ({ parameter, input: element("input") }));
  const body = example === undefined ? null : element("textarea", JSON.stringify(example, null, 2));
  const answer = element("pre");
  answer.hidden = true;
  const button = element("button", "Send");
  button.onclick = async () => {
    const address = new URL(path, location.href);
    for (const { parameter, input } of fields) {
      if (parameter.in === "path") address.pathname = address.pathname.replace(encodeURI(`{${parameter.name}}`), encodeURIComponent(input.value));
      else if (input.value) address.searchParams.set(parameter.name, input.value);
    }
    const key = document.querySelector("#key input").value;
    const headers = { ...(body && { "Content-Type": "application/json" }), ...(key && { Authorization: `Bearer ${key}` }) };
    answer.hidden = false;
    answer.textContent = "…";
    try {
      const response = await fetch(address, { method, headers, body: body && body.value });
      const text = await response.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
      answer.textContent = `${response.status} ${response.statusText}\n\n${shown}`;
    } catch (error) {
      answer.textContent = String(error);
    }
  };
  const labels = fields.map(({ parameter, input }) => element("label", `${parameter.name} `, input));
  return element("div", "", ...labels, ...(body ? [body] : []), element("p", "", button), answer);
};

const operation = (api, path, method, about) => {
  const content = about.requestBody && about.requestBody.content["application/json"];
  const example = content && (resolve(api, content.schema).examples || [{}])[0];
  const parameters = about.parameters || [];
  const head = element("summary", "", element("span", method.toUpperCase()), element("code", path), ` ${about.summary || ""}`);
  head.firstChild.className = "method";
  head.firstChild.after(" ");
  const made = element("details", "", head, element("p", about.description || ""));
  if (parameters.length) made.append(table(["parameter", "in", "meaning"], parameters.map((each) => [element("code", each.name), each.in, each.description || ""])));
  made.append(table(["answer", "meaning"], Object.entries(about.responses).map(([status, each]) => [status, each.description])));
  made.append(tryIt(method.toUpperCase(), path, parameters, example));
  return made;
};

const draw = async () => {
  const place = document.querySelector("#operations");
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Error(`/openapi.json answers ${response.status}`);
  const api = await response.json();
  document.querySelector("#summary").textContent = `${api.info.summary || ""} Version ${api.info.version}.`;
  document.querySelector("#key").hidden = !(api.components || {}).securitySchemes;
  place.replaceChildren();
  for (const [path, operations] of Object.entries(api.paths))
    for (const [method, about] of Object.entries(operations)) place.append(operation(api, path, method, about));
};

draw().catch((error) => { document.querySelector("#operations").textContent = `The API cannot be read: ${error}.`; });
