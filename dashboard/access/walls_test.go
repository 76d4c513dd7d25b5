package access_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"vonglau/dashboard/access"
)

func TestPairing(t *testing.T) {
	store := memory{}
	walls, err := access.NewWalls(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	p, now := access.NewPairings(walls), time.Now()
	one, secret, err := p.Open("", "10.0.0.1", now)
	if err != nil || len(one.Code) != 6 || strings.ContainsAny(one.Code, "01IO") {
		t.Fatalf("%+v, %v", one, err)
	}
	if again, _, err := p.Open(secret, "10.0.0.1", now.Add(time.Minute)); err != nil || again.Code != one.Code {
		t.Errorf("a reload shows another code: %v, %v", again, err)
	}
	if _, _, err := p.Claim(one.Code, "someone else's", now); !errors.Is(err, access.ErrNoPairing) {
		t.Errorf("a code read off the screen is enough: %v", err)
	}
	if token, _, err := p.Claim(one.Code, secret, now); token != "" || err != nil {
		t.Errorf("in before approval: %q, %v", token, err)
	}
	var wall access.Wall
	issue := func() (token string, err error) {
		token, wall, err = walls.Issue(t.Context(), access.Wall{Name: "Sảnh", Scope: "15", Layout: "tinh"}, now)
		return token, err
	}
	failing := func() (string, error) { return "", errors.New("the disk is full") }
	if err := p.Approve(one.Code, now, failing); err == nil {
		t.Error("a failed approval passes for one")
	}
	typed := strings.ToLower(one.Code[:3]) + " " + one.Code[3:]
	if err := p.Approve(typed, now, issue); err != nil {
		t.Fatalf("as a person types it: %v", err)
	}
	if err := p.Approve(one.Code, now, issue); !errors.Is(err, access.ErrPaired) {
		t.Errorf("approved twice: %v", err)
	}
	token, _, err := p.Claim(one.Code, secret, now)
	if err != nil || token == "" {
		t.Fatalf("%q, %v", token, err)
	}
	if again, _, _ := p.Claim(one.Code, secret, now); again != token {
		t.Error("a lost answer locks the screen out")
	}
	if _, _, err := p.Claim(one.Code, secret, now.Add(11*time.Minute)); !errors.Is(err, access.ErrNoPairing) {
		t.Errorf("the code never ends: %v", err)
	}

	got, ok := walls.Check(token, now)
	if !ok || got.ID != wall.ID || got.Principal().Role != access.Screen {
		t.Fatalf("%+v, %v", got, ok)
	}
	for _, right := range []access.Right{access.ActOnAlarms, access.AdoptDevices, access.SeeRefusals, access.PushReadings, access.PairWalls} {
		if got.Principal().Role.May(right) {
			t.Errorf("a wall may %s", right)
		}
	}
	for key := range store {
		if key == token {
			t.Error("the token itself is stored")
		}
	}
	// The year rolls, once a day, and outlives a restart.
	if rolled, err := walls.Touch(t.Context(), token, now.Add(time.Hour)); rolled || err != nil {
		t.Errorf("rolled within the hour: %v, %v", rolled, err)
	}
	later := now.Add(300 * 24 * time.Hour)
	if rolled, err := walls.Touch(t.Context(), token, later); !rolled || err != nil {
		t.Errorf("%v, %v", rolled, err)
	}
	restarted, err := access.NewWalls(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := restarted.Check(token, later.Add(300*24*time.Hour)); !ok {
		t.Error("a wall that reports meets a login page after a year")
	}
	if _, ok := restarted.Check(token, later.Add(366*24*time.Hour)); ok {
		t.Error("a wall that is gone for a year is still known")
	}
	if _, ok, err := restarted.Revoke(t.Context(), wall.ID); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, ok := restarted.Check(token, now); ok || len(store) != 0 {
		t.Error("revoked, but still in")
	}
}

func TestPairingsAreBounded(t *testing.T) {
	walls, err := access.NewWalls(t.Context(), memory{})
	if err != nil {
		t.Fatal(err)
	}
	p, now := access.NewPairings(walls), time.Now()
	var refused error
	for range 100 {
		if _, _, err := p.Open("", "10.0.0.1", now); err != nil {
			refused = err
		}
	}
	if !errors.Is(refused, access.ErrTooManyPairings) {
		t.Errorf("one address opens any number: %v", refused)
	}
	if _, _, err := p.Open("", "10.0.0.2", now); err != nil {
		t.Errorf("another address pays for it: %v", err)
	}
	if _, _, err := p.Open("", "10.0.0.1", now.Add(11*time.Minute)); err != nil {
		t.Errorf("eleven minutes later: %v", err)
	}
}
