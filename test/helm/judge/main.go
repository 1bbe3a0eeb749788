// Judges what helm rendered with Kubernetes' own code: the Pod Security Standards' checks, and the
// engine that runs admission policies.
//
// Reads one JSON request a line, answers with one JSON answer a line:
//
//	{"pod": {"metadata": …, "spec": …}}             → {"allowed": false, "why": "…"}
//	{"object": {…}, "variables": [{name, expression}], "validations": ["…"]} → {"allowed": true, "why": ""}
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/google/cel-go/cel"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

type variable struct{ Name, Expression string }

type request struct {
	Pod         *corev1.Pod
	Object      map[string]any
	Variables   []variable
	Validations []string
}

type answer struct {
	Allowed bool   `json:"allowed"`
	Why     string `json:"why"`
}

func main() {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		var given answer
		if asked.Pod != nil {
			level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
			sum := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &asked.Pod.ObjectMeta, &asked.Pod.Spec))
			given = answer{sum.Allowed, sum.ForbiddenDetail()}
		} else {
			given = admit(asked)
		}
		if err := answers.Encode(given); err != nil {
			panic(err)
		}
	}
}

// admit evaluates variables in order and then each validation, as the API server does.
func admit(asked request) answer {
	values := map[string]any{}
	for _, each := range asked.Variables {
		value, err := evaluate(each.Expression, asked.Object, values)
		if err != nil {
			return answer{false, err.Error()}
		}
		values[each.Name] = value
	}
	for _, expression := range asked.Validations {
		value, err := evaluate(expression, asked.Object, values)
		if err != nil {
			return answer{false, err.Error()}
		}
		if value != true {
			return answer{false, "refused"}
		}
	}
	return answer{true, ""}
}

func evaluate(expression string, object map[string]any, variables map[string]any) (any, error) {
	env, err := cel.NewEnv(cel.Variable("object", cel.DynType), cel.Variable("variables", cel.DynType))
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, fmt.Errorf("%s: %w", expression, issues.Err())
	}
	program, err := env.Program(ast)
	if err != nil {
		return nil, err
	}
	value, _, err := program.Eval(map[string]any{"object": object, "variables": variables})
	if err != nil {
		return nil, err
	}
	return value.Value(), nil
}
